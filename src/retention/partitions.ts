import { sql, type Kysely, type Transaction } from 'kysely';
import type { Database } from '../db/schema.ts';
import { firstIdAt } from '../lib/ids.ts';
import { dayMs, isBusy, underLock } from './chore.ts';

/** A week ahead: as long as maintenance may fail before events land in the default partition. */
const daysAhead = 7;
/** The constraint by which PostgreSQL knows, without looking, that the default has none of these days. */
const exclusion = 'events_default_without_next_days';
/**
 * A default larger than this is not read under the lock that attaching takes, which keeps events out
 * of it. 16 MiB are read in some 10 ms.
 */
const defaultReadableBytes = 16 * 1024 * 1024;
/** How often something that was in somebody's way is tried again at once. */
const tries = 5;
const pauseMs = 50;

/** A day's partition. */
export interface DayPartition {
  readonly name: string;
  readonly from: Date;
  readonly to: Date;
}

function partitionOf(startMs: number): DayPartition {
  const from = new Date(startMs);
  const name = `events_${from.toISOString().slice(0, 10).replaceAll('-', '')}`;
  return { name, from, to: new Date(startMs + dayMs) };
}

/** The event partitions that there are, oldest first; without the default. */
export async function listPartitions(db: Kysely<Database>): Promise<DayPartition[]> {
  const { rows } = await sql<{ name: string }>`
    select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'events'::regclass order by 1`.execute(db);
  return rows.flatMap(({ name }) => {
    const [, year, month, day] = /^events_(\d{4})(\d{2})(\d{2})$/.exec(name) ?? [];
    return year === undefined ? [] : [partitionOf(Date.parse(`${year}-${month}-${day}T00:00:00Z`))];
  });
}

/**
 * Makes the event partitions of today and the next days, and stops no ingest over it: the table is
 * made apart and attached, which locks the parent against other changes only, and gives up after
 * 100 ms where it would have to wait. `events_default` takes what has no partition, so a missing one
 * never refuses an event.
 *
 * @param readableBytes how large the default may be for PostgreSQL to read it meanwhile.
 * @returns how many were made. What could not be made now is left for the next round.
 */
export async function ensureEventPartitions(
  db: Kysely<Database>,
  now: Date,
  readableBytes = defaultReadableBytes,
): Promise<number> {
  if (await isExcluding(db)) await patiently(() => underLock(db, dropExclusion));
  const missing = await findMissing(db, now);
  if (missing.length === 0) return 0;
  if ((await defaultBytes(db)) <= readableBytes) return await attachAll(db, missing);
  const far = missing.filter((day) => day.from.getTime() - now.getTime() > dayMs);
  const [first, last] = [far[0], far.at(-1)];
  if (!first || !last) return 0;
  try {
    return (await excludeFromDefault(db, first.from, last.to)) ? await attachAll(db, far) : 0;
  } finally {
    await patiently(() => underLock(db, dropExclusion));
  }
}

/** Since when a partition of a coming day should have been there; null: none is missing. */
export async function partitionsDueAt(db: Kysely<Database>, now: Date): Promise<Date | null> {
  const [day] = (await findMissing(db, now)).filter(({ from }) => from > now);
  return day ? new Date(day.from.getTime() - daysAhead * dayMs) : null;
}

async function findMissing(db: Kysely<Database>, now: Date): Promise<DayPartition[]> {
  const present = new Set((await listPartitions(db)).map(({ name }) => name));
  const today = Math.floor(now.getTime() / dayMs) * dayMs;
  return Array.from({ length: daysAhead + 1 }, (_none, day) => partitionOf(today + day * dayMs)).filter(
    ({ name }) => !present.has(name),
  );
}

/** A day that the default has events of stays there. */
async function attachAll(db: Kysely<Database>, days: readonly DayPartition[]): Promise<number> {
  let made = 0;
  for (const day of days) {
    if (await defaultHasDay(db, day)) continue;
    const isMade = await patiently(() => underLock(db, (trx) => makePartition(trx, day)));
    if (isMade === undefined) break;
    if (isMade) made += 1;
  }
  return made;
}

/** Tries again a few times where somebody was in the way. Undefined: it was in vain. */
async function patiently<T>(action: () => Promise<T | undefined>): Promise<T | undefined> {
  for (let left = tries; left > 0; left -= 1) {
    try {
      const result = await action();
      if (result !== undefined) return result;
    } catch (error) {
      if (!isBusy(error)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  return undefined;
}

/** Makes one partition, unless somebody else did. The constraint spares PostgreSQL a look at the new table. */
async function makePartition(trx: Transaction<Database>, day: DayPartition): Promise<boolean> {
  const { rows } = await sql<{ there: boolean }>`select to_regclass(${day.name}) is not null as there`.execute(trx);
  if (rows[0]?.there) return false;
  const [from, to] = [firstIdAt(day.from), firstIdAt(day.to)];
  await run(trx, `create table ${day.name} (like events including all)`);
  await run(trx, `alter table ${day.name} add constraint ${day.name}_range check (id >= '${from}' and id < '${to}')`);
  await run(trx, `alter table events attach partition ${day.name} for values from ('${from}') to ('${to}')`);
  await run(trx, `alter table ${day.name} drop constraint ${day.name}_range`);
  return true;
}

/**
 * Promises that the default has no events of these days, so that PostgreSQL need not read it. The
 * check of what is there runs apart, and keeps no event out. An event of such a day would be refused
 * as long as the promise stands, so it is made for days further off than the next one only.
 */
async function excludeFromDefault(db: Kysely<Database>, from: Date, to: Date): Promise<boolean> {
  const outside = `id < '${firstIdAt(from)}' or id >= '${firstIdAt(to)}'`;
  const added = await patiently(() =>
    underLock(db, async (trx) => {
      await run(trx, `alter table events_default add constraint ${exclusion} check (${outside}) not valid`);
      return true;
    }),
  );
  if (!added) return false;
  const checked = await underLock(db, async (trx) => {
    await run(trx, `alter table events_default validate constraint ${exclusion}`);
    return true;
  });
  return checked === true;
}

async function dropExclusion(trx: Transaction<Database>): Promise<true> {
  await run(trx, `alter table events_default drop constraint if exists ${exclusion}`);
  return true;
}

/** Whether a round that did not come to its end has left its promise. */
async function isExcluding(db: Kysely<Database>): Promise<boolean> {
  const { rows } = await sql`select conname from pg_constraint
    where conrelid = 'events_default'::regclass and conname = ${exclusion}`.execute(db);
  return rows.length > 0;
}

async function defaultBytes(db: Kysely<Database>): Promise<number> {
  const { rows } = await sql<{ bytes: string }>`
    select pg_relation_size('events_default'::regclass)::text as bytes`.execute(db);
  return Number(rows[0]?.bytes ?? 0);
}

/** Whether the default has events of a day: then the day stays there. */
async function defaultHasDay(db: Kysely<Database>, day: DayPartition): Promise<boolean> {
  const { rows } = await sql`
    select t.id from tenants t cross join lateral (
      select id from events_default e
      where e.tenant_id = t.id and e.id >= ${firstIdAt(day.from)}::uuid and e.id < ${firstIdAt(day.to)}::uuid
      order by e.tenant_id, e.id limit 1
    ) e limit 1`.execute(db);
  return rows.length > 0;
}

/**
 * Removes a day's partition with all its events. They go first, which locks the partition alone and
 * gives the space back; taking out the empty table needs the parent for an instant, and gives up
 * after 100 ms where it would have to wait.
 *
 * @returns whether it is gone; undefined where another process is at it.
 * @throws what `isBusy` knows; what was done of it by then stays done.
 */
export async function dropPartition(db: Kysely<Database>, day: DayPartition): Promise<true | undefined> {
  const emptied = await underLock(db, async (trx) => {
    await run(trx, `truncate ${day.name}`);
    return true as const;
  });
  if (!emptied) return undefined;
  return await underLock(db, async (trx) => {
    await run(trx, `drop table ${day.name}`);
    return true as const;
  });
}

/** Runs a statement that takes no parameters, such as those that define things. */
async function run(trx: Transaction<Database>, statement: string): Promise<void> {
  await sql.raw(statement).execute(trx);
}
