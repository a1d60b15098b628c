import { sql, type Kysely, type Transaction } from 'kysely';
import type { Database } from '../db/schema.ts';
import { firstIdAt, momentOf } from '../lib/ids.ts';
import { batchRows, biteOf, cutoffOf, nothingDue, underLock, type Bite } from './chore.ts';

/** What is walked, how far, and what it is called in `retention_marks`. */
interface Walk {
  readonly work: string;
  readonly table: 'inbound_messages' | 'deliveries';
  readonly days: number;
}

/** What to do with the next ids of a tenant, which are locked. */
type Handle = (trx: Transaction<Database>, tenantId: string, ids: readonly string[]) => Promise<void>;

interface DueTenant {
  readonly tenant_id: string;
  /** The first row that it has not been at. */
  readonly first: string;
}

const before = '00000000-0000-0000-0000-000000000000';
/** One bite sees to the tenants that have waited longest. */
const tenantsPerBite = 100;

/**
 * Walks on through a table by its primary key, tenant by tenant, up to those that are old enough. A
 * UUIDv7 begins with its time, so old rows are the beginning of the key. The mark says where to go
 * on, so that no row is read twice and no dead one of the last batch is stepped over.
 */
export async function walkOn(db: Kysely<Database>, walk: Walk, now: Date, handle: Handle): Promise<Bite | undefined> {
  const cutoff = cutoffOf(now, walk.days);
  if (cutoff === null) return nothingDue;
  const end = firstIdAt(cutoff);
  const due = await findDueTenants(db, walk, end);
  const [oldest] = due;
  if (!oldest) return nothingDue;
  const dueAt = new Date(momentOf(oldest.first).getTime() + now.getTime() - cutoff.getTime());
  return await biteOf(dueAt, () => underLock(db, (trx) => takeBite(trx, walk, end, due, handle)));
}

async function takeBite(
  trx: Transaction<Database>,
  walk: Walk,
  end: string,
  due: readonly DueTenant[],
  handle: Handle,
): Promise<number> {
  let done = 0;
  for (const { tenant_id: tenantId } of due) {
    const after = await readMark(trx, tenantId, walk.work);
    const ids = await takeNext(trx, walk, tenantId, after, end, batchRows - done);
    const last = ids.at(-1);
    if (last === undefined) continue;
    await handle(trx, tenantId, ids);
    await setMark(trx, tenantId, walk.work, last);
    done += ids.length;
    if (done >= batchRows) break;
  }
  return done;
}

async function findDueTenants(db: Kysely<Database>, walk: Walk, end: string): Promise<DueTenant[]> {
  const { rows } = await sql<DueTenant>`
    select t.id as tenant_id, r.id as first
    from tenants t
    left join retention_marks k on k.tenant_id = t.id and k.work = ${walk.work}
    cross join lateral (
      select id from ${sql.table(walk.table)} r
      where r.tenant_id = t.id and r.id > coalesce(k.up_to, ${before}::uuid) and r.id < ${end}::uuid
      order by r.tenant_id, r.id limit 1
    ) r
    order by r.id limit ${tenantsPerBite}`.execute(db);
  return rows;
}

async function takeNext(
  trx: Transaction<Database>,
  walk: Walk,
  tenantId: string,
  after: string,
  end: string,
  limit: number,
): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from ${sql.table(walk.table)}
    where tenant_id = ${tenantId} and id > ${after}::uuid and id < ${end}::uuid
    order by tenant_id, id limit ${limit} for update`.execute(trx);
  return rows.map((row) => row.id);
}

/** How far the walk has come; asked under the lock, for another process may have gone on meanwhile. */
async function readMark(trx: Transaction<Database>, tenantId: string, work: string): Promise<string> {
  const row = await trx
    .selectFrom('retention_marks')
    .select('up_to')
    .where('tenant_id', '=', tenantId)
    .where('work', '=', work)
    .executeTakeFirst();
  return row?.up_to ?? before;
}

async function setMark(trx: Transaction<Database>, tenantId: string, work: string, upTo: string): Promise<void> {
  await trx
    .insertInto('retention_marks')
    .values({ tenant_id: tenantId, work, up_to: upTo })
    .onConflict((clash) =>
      clash.columns(['tenant_id', 'work']).doUpdateSet({ up_to: upTo, updated_at: sql<Date>`now()` }),
    )
    .execute();
}

/** A place among the overdue rows of all tenants, from which the next bite goes on. */
export interface Place {
  tenantId: string;
  id: string;
}

export const beginning: Readonly<Place> = { tenantId: before, id: before };

/** Rows by their tenant. */
export function byTenant<Row extends { readonly tenant_id: string }>(rows: readonly Row[]): [string, Row[]][] {
  return Object.entries(Object.groupBy(rows, (row) => row.tenant_id)).map(([tenantId, own]) => [tenantId, own ?? []]);
}
