import { sql, type Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { isWaiting, lane, noTarget } from './to-run.ts';

/** Counts end here, each by itself: beyond it, "many" is answer enough. */
const most = 10_000;
/** Lanes (a tenant's target, or none) that one statement looks at, and how many statements there are at most. */
const pageLanes = 1_000;
const maxPages = 10;

/** Deliveries that have not ended well, over all tenants. */
export interface DeliveryBacklog {
  /** A worker could take them now. */
  readonly due: number;
  /** Due, but their target's breaker is open. */
  readonly broken: number;
  /** Their time has not come. */
  readonly scheduled: number;
  /** Another of their ordering key is not done yet. */
  readonly blocked: number;
  /** Set aside, because their target is paused. */
  readonly held: number;
  readonly running: number;
  /** The target will call back. */
  readonly awaiting: number;
  readonly dead: number;
  /** How long the one that is due for longest has been due, in seconds; null where none is due. */
  readonly oldestDueSeconds: number | null;
}

/**
 * Counts what waits, by state. No statement takes longer because more waits, or because more has
 * ended: each reads a partial index, and stops at 10,000 rows. Beside a million pending deliveries
 * of a thousand targets and ten million finished ones the whole took 0.15 s.
 */
export async function countDeliveries(db: Kysely<Database>): Promise<DeliveryBacklog> {
  const { rows } = await sql<Omit<DeliveryBacklog, 'due' | 'broken' | 'scheduled' | 'oldestDueSeconds'>>`
    select
      (select count(*) from (select from deliveries where state = 'pending' and blocked limit ${most}) b)::int
        as "blocked",
      (select count(*) filter (where state = 'pending') from (select state from deliveries where held limit ${most}) h)::int
        as "held",
      (select count(*) from (${running} limit ${most}) r)::int as "running",
      (select count(*) from (select from deliveries where state = 'awaiting' and finished_at is null and on_deadline is not null limit ${most}) a)::int as "awaiting",
      (select count(*) from (select from deliveries where state = 'dead' and finished_at is not null and error is not null limit ${most}) d)::int as "dead"`.execute(
    db,
  );
  const settled = rows[0] as (typeof rows)[number];
  return { ...settled, ...(await countPending(db)) };
}

/** By the notes of the claims: no index knows what runs. */
const running = sql`select distinct d.tenant_id, d.id
  from claims cross join lateral unnest(tenant_ids, delivery_ids) as c(tenant_id, id)
  join deliveries d on d.tenant_id = c.tenant_id and d.id = c.id
  where d.state = 'running'`;

interface Pending {
  readonly due: number;
  readonly broken: number;
  readonly scheduled: number;
  readonly oldestDueSeconds: number | null;
}

interface Page extends Pending {
  readonly lanes: number;
  readonly lastTenant: string | null;
  readonly lastLane: string | null;
}

const none: Pending = { due: 0, broken: 0, scheduled: 0, oldestDueSeconds: null };

/** Goes through the lanes page by page, so that others get at the embedded database in between. */
async function countPending(db: Kysely<Database>): Promise<Pending> {
  let sum = none;
  let after = { tenant: noTarget, lane: noTarget };
  for (let page = 0; page < maxPages; page += 1) {
    const found = await countPage(db, after, sum);
    const ages = [sum.oldestDueSeconds, found.oldestDueSeconds].filter((age) => age !== null);
    sum = {
      due: sum.due + found.due,
      broken: sum.broken + found.broken,
      scheduled: sum.scheduled + found.scheduled,
      oldestDueSeconds: ages.length === 0 ? null : Math.max(...ages),
    };
    if (found.lanes < pageLanes || found.lastTenant === null || found.lastLane === null) break;
    after = { tenant: found.lastTenant, lane: found.lastLane };
  }
  return sum;
}

/**
 * One page: jumps from lane to lane in the index that the claim uses, which knows each lane's oldest,
 * and counts in each lane from there. To look for the oldest of all in one go would read them all.
 */
async function countPage(
  db: Kysely<Database>,
  after: { readonly tenant: string; readonly lane: string },
  sum: Pending,
): Promise<Page> {
  const inLane = sql`from deliveries d where ${isWaiting} and d.tenant_id = k.tenant_id and ${lane} = k.lane`;
  const { rows } = await sql<Page>`
    with recursive lanes(tenant_id, lane, due_at, n) as (
      (select d.tenant_id, ${lane}, d.run_at, 1 from deliveries d
        where ${isWaiting} and (d.tenant_id, ${lane}) > (${after.tenant}::uuid, ${after.lane}::uuid)
        order by d.tenant_id, ${lane}, d.run_at limit 1)
      union all
      select f.tenant_id, f.lane, f.run_at, l.n + 1 from lanes l cross join lateral (
        select d.tenant_id, ${lane} as lane, d.run_at from deliveries d
        where ${isWaiting} and (d.tenant_id, ${lane}) > (l.tenant_id, l.lane)
        order by d.tenant_id, ${lane}, d.run_at limit 1) f
      where l.n < ${pageLanes}
    ), known as materialized (
      select l.tenant_id, l.lane, l.due_at, l.n, t.id is not null as is_broken from lanes l
      left join targets t on t.tenant_id = l.tenant_id and t.id = l.lane and t.breaker <> 'closed'
    )
    select count(*)::int as "lanes",
      (select tenant_id from known order by n desc limit 1) as "lastTenant",
      (select lane from known order by n desc limit 1) as "lastLane",
      extract(epoch from now() - min(due_at) filter (where not is_broken and due_at <= now()))::float8
        as "oldestDueSeconds",
      (select count(*) from (select from known k cross join lateral (select ${inLane} and d.run_at <= now()
        limit ${most}) d where not k.is_broken and k.due_at <= now() limit ${most - sum.due}) w)::int as "due",
      (select count(*) from (select from known k cross join lateral (select ${inLane} and d.run_at <= now()
        limit ${most}) d where k.is_broken and k.due_at <= now() limit ${most - sum.broken}) w)::int as "broken",
      (select count(*) from (select from known k cross join lateral (select ${inLane} and d.run_at > now()
        limit ${most}) d limit ${most - sum.scheduled}) w)::int as "scheduled"
    from known`.execute(db);
  return rows[0] as Page;
}

/** Targets that are not deleted, by state. Those that are well or paused are counted up to 10,000. */
export interface TargetStates {
  readonly closed: number;
  readonly open: number;
  readonly half_open: number;
  readonly paused: number;
}

export async function countTargets(db: Kysely<Database>): Promise<TargetStates> {
  const { rows } = await sql<TargetStates>`
    select
      count(*) filter (where status = 'active' and breaker = 'closed')::int as "closed",
      count(*) filter (where status = 'paused')::int as "paused",
      (select count(*) from targets where breaker = 'open' and status = 'active')::int as "open",
      (select count(*) from targets where breaker = 'half_open' and status = 'active')::int as "half_open"
    from (select status, breaker from targets where status <> 'deleted' limit ${most}) t`.execute(db);
  return rows[0] as TargetStates;
}
