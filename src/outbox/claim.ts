import { sql, type Kysely, type RawBuilder } from 'kysely';
import type { Database } from '../db/schema.ts';
import { firstLane, isInLane, isWaiting, lane, noTarget } from './to-run.ts';

/** A delivery that this worker holds under a lease. `fence` is what it must show to complete it. */
export interface Claim {
  readonly tenant_id: string;
  readonly id: string;
  readonly message_id: string;
  readonly route_id: string | null;
  readonly target_id: string | null;
  readonly handler_kind: string;
  readonly ordering_key: string | null;
  readonly attempts: number;
  readonly fence: string;
  readonly replay_of: string | null;
  readonly created_at: Date;
  /** When this try was due. */
  readonly run_at: Date;
}

/** What this process already runs for a target, and may still start by its rate. */
export interface LaneLoad {
  readonly tenantId: string;
  readonly targetId: string;
  readonly running: number;
  /** Null: its rate is not limited. */
  readonly tokens: number | null;
}

export interface ClaimRequest {
  readonly worker: string;
  /** How many can be started now. */
  readonly free: number;
  readonly leaseSeconds: number;
  /** How many processes share each target's limits, and which of them this is, counted from 0. */
  readonly workers: number;
  readonly rank: number;
  readonly load: readonly LaneLoad[];
  /** Where the last claim left off. */
  readonly position: Position;
  /** Look in these lanes alone, each from its place on; undefined: everywhere. */
  readonly lanes?: readonly LanePlace[] | undefined;
  /** Earlier claims of which everything has ended. */
  readonly done?: readonly string[];
}

/** A tenant's target (or none), and the time of the first delivery that waited there, as PostgreSQL writes it. */
export type LanePlace = readonly [tenantId: string, lane: string, since: string];

/** A place in the round of tenants, and of the targets of each that has many. */
export interface Position {
  /** The tenant to go on after; null: from the beginning. */
  readonly tenant: string | null;
  /** Per tenant the target to go on after. */
  readonly targets: Readonly<Record<string, string>>;
}

export interface Claimed {
  readonly claims: readonly Claim[];
  /** Names the claim, until everything of it has ended; null where nothing was claimed. */
  readonly claimId: string | null;
  readonly position: Position;
  /** Whether every tenant has been looked at since the round began. */
  readonly isRound: boolean;
  /** The lanes in which something waited, and from where on. */
  readonly lanes: readonly LanePlace[];
  /** Whether these are all lanes that there are. */
  readonly isWhole: boolean;
}

/** The order of the index, in full: with less PostgreSQL may take another one, and walk past all that has ended. */
const inOrder = sql`d.tenant_id, ${lane}, d.run_at, d.id`;
const maxTenants = 64;
const maxLanes = 16;
/** Deliveries to one target that run at once, over all processes, where its policy does not say. */
export const defaultConcurrency = 16;

/**
 * Claims deliveries that are due. The claim goes round the tenants, and round each tenant's targets:
 * it jumps from one to the next in the index, so a million that wait for one target cost the others
 * nothing. Of each target it takes no more than this process's share of the target's limits; from a
 * target that is paused or whose breaker is open nothing, or the one delivery that is its probe. The
 * database's clock decides what is due, because the clocks of several machines never agree.
 *
 * What is given stands in expressions of their own, so that PostgreSQL's plan does not hang on it: one
 * plan then serves all claims of a connection. To plan this anew takes as long as to claim a hundred.
 */
export async function claimDeliveries(db: Kysely<Database>, request: ClaimRequest): Promise<Claimed> {
  const { worker, free, leaseSeconds, workers, rank, load, position, lanes } = request;
  const { rows } = await sql<
    Claim & { scan: Scan | null }
  >`${lanes ? sql`/* prepare claim_known_lanes */` : sql`/* prepare claim_deliveries */`}
    with recursive given as materialized (
      select ${free}::int as free, ${workers}::int as workers,
        ${rank}::int as rank, ${worker}::text as worker, now() + ${leaseSeconds}::int * interval '1 second' as lease_until
    ), running as materialized (
      select * from unnest(${load.map((one) => one.tenantId)}::uuid[], ${load.map((one) => one.targetId)}::uuid[],
        ${load.map((one) => one.running)}::int[], ${load.map((one) => one.tokens)}::int[])
        as r(tenant_id, lane, running, tokens)
    ), broken as materialized (
      select tenant_id, id from targets
      where breaker <> 'closed' and breaker_until <= now() and status = 'active'
      for update skip locked
    ), ${lanes ? knownLanes(lanes) : allLanes(position)}, quotas as materialized (
      select l.tenant_id, l.lane, l.due_at,
        case
          when t.id is null then g.free
          when t.status = 'paused' then 0
          when t.breaker <> 'closed' then case when b.id is null then 0 else 1 end
          else least(
            p.most / g.workers + case when g.rank < p.most % g.workers then 1 else 0 end
              - coalesce(r.running, 0),
            coalesce(r.tokens, ceil((t.policy->>'ratePerSecond')::float8 / g.workers)::int, g.free))
        end as quota
      from lanes l
      cross join given g
      left join targets t on t.tenant_id = l.tenant_id and t.id = l.lane
      left join broken b on b.tenant_id = l.tenant_id and b.id = l.lane
      left join running r on r.tenant_id = l.tenant_id and r.lane = l.lane
      cross join lateral (select coalesce((t.policy->>'concurrency')::int, ${defaultConcurrency}) as most) p
      where l.due_at <= now()
    ), found as materialized (
      select q.tenant_id, q.lane, d.id, d.run_at, d.place
      from quotas q
      cross join lateral (
        select d.id, d.run_at, d.ctid as place from deliveries d
        where ${isWaiting} and d.tenant_id = q.tenant_id and ${lane} = q.lane
          and d.run_at >= q.due_at and d.run_at <= now()
        order by d.run_at, d.id
        limit least(q.quota, ceil((select free from given)::float8 / (select count(*) from quotas where quota > 0))::int)
        for update skip locked
      ) d
      where q.quota > 0
    ), laned as (
      select *, row_number() over (partition by tenant_id, lane order by run_at, id) as turn from found
    ), due as (
      select tenant_id, id, lane, place from (
        select *, row_number() over (partition by tenant_id order by turn, lane) as tenant_turn from laned
      ) fair order by tenant_turn, run_at limit (select free from given)
    ), claimed as (
      update deliveries d set state = 'running', fence = d.fence + 1, attempts = d.attempts + 1, callback = null,
        lease_owner = (select worker from given), lease_until = (select lease_until from given), updated_at = now()
      where d.ctid = any(array(select place from due))
      returning d.tenant_id, d.id, d.message_id, d.route_id, d.target_id, d.handler_kind, d.ordering_key, d.attempts,
        d.fence::text, d.replay_of, d.created_at, d.run_at
    ), noted as (
      insert into claims (look_at, tenant_ids, delivery_ids)
      select (select lease_until from given), array_agg(tenant_id), array_agg(id) from claimed
      having count(*) > 0
      returning id
    ), forgotten as (
      delete from claims where id = any(${[...(request.done ?? [])]}::bigint[])
    ), probing as (
      update targets t set breaker = 'half_open', updated_at = now(),
        breaker_until = (select lease_until from given)
          + coalesce((t.policy->>'timeoutMs')::int, 30000) * interval '1 millisecond'
      from broken b, due
      where t.tenant_id = b.tenant_id and t.id = b.id and due.tenant_id = b.tenant_id and due.lane = b.id
    )
    select case when c.n is null or c.n = 1 then s.scan end as scan, c.* from (
      select json_build_object(
        'claim', (select id::text from noted),
        'lanes', (select json_agg(json_build_array(tenant_id, lane, due_at)) from lanes),
        'tenants', ${lanes ? sql`0` : sql`(select count(tenant_id) from tenants)`},
        'lastTenant', ${lanes ? sql`null` : sql`(select max(tenant_id::text) from tenants)`},
        'targets', (select json_object_agg(f.tenant_id, f.last) from (
          select tenant_id, max(lane::text) as last from lanes group by tenant_id having count(*) >= ${maxLanes}) f)
      ) as scan) s
    left join (select row_number() over () as n, * from claimed) c on true`.execute(db);
  const scan = rows.find((row) => row.scan !== null)?.scan;
  const claims = rows.filter((row) => row.id !== null).sort((a, b) => (a.id < b.id ? -1 : 1));
  const found = { claims, claimId: scan?.claim ?? null, lanes: scan?.lanes ?? [] };
  if (lanes) return { ...found, position, isRound: true, isWhole: true };
  const isRound = !scan || scan.tenants < maxTenants;
  const targets = scan?.targets ?? {};
  const isWhole = isRound && isBeginning(position) && Object.keys(targets).length === 0;
  return { ...found, position: { tenant: isRound ? null : scan.lastTenant, targets }, isRound, isWhole };
}

function isBeginning({ tenant, targets }: Position): boolean {
  return tenant === null && Object.keys(targets).length === 0;
}

/** The lanes of the next tenants of the round, found by jumping from one to the next in the index. */
function allLanes(position: Position): RawBuilder<unknown> {
  const cursors = Object.entries(position.targets);
  return sql`cursors as materialized (
      select * from unnest(${cursors.map(([tenant]) => tenant)}::uuid[],
        ${cursors.map(([, target]) => after(target))}::uuid[]) as c(tenant_id, lane)
    ), tenants(tenant_id, n) as (
      (select d.tenant_id, 1 from deliveries d
        where ${isWaiting} and d.tenant_id >= (select ${after(position.tenant)}::uuid)
        order by ${inOrder} limit 1)
      union all
      select (select d.tenant_id from deliveries d
        where ${isWaiting} and d.tenant_id > t.tenant_id
        order by ${inOrder} limit 1), t.n + 1
      from tenants t where t.tenant_id is not null and t.n < ${maxTenants}
    ), lanes as materialized (
      select t.tenant_id, l.lane, l.due_at
      from tenants t
      left join cursors c on c.tenant_id = t.tenant_id
      cross join lateral (
        with recursive s(lane, due_at, n) as (
          (select ${lane}, d.run_at, 1 from deliveries d
            where ${isWaiting} and d.tenant_id = t.tenant_id and ${lane} >= coalesce(c.lane, ${firstLane})
            order by ${lane}, d.run_at limit 1)
          union all
          select f.lane, f.run_at, s.n + 1 from s cross join lateral (
            select ${lane} as lane, d.run_at from deliveries d
            where ${isWaiting} and d.tenant_id = t.tenant_id and ${lane} > s.lane
            order by ${lane}, d.run_at limit 1) f
          where s.n < ${maxLanes}
        ) select lane, due_at from s
      ) l
      where t.tenant_id is not null
    )`;
}

/** Lanes that something waits in still, of those where something did. */
function knownLanes(places: readonly LanePlace[]): RawBuilder<unknown> {
  return sql`known as materialized (
      select * from unnest(${places.map(([tenant]) => tenant)}::uuid[], ${places.map(([, own]) => own)}::uuid[],
        ${places.map(([, , since]) => since)}::timestamptz[]) as k(tenant_id, lane, since)
    ), lanes as materialized (
      select k.tenant_id, k.lane, f.run_at as due_at
      from known k cross join lateral (
        select d.run_at from deliveries d
        where ${isWaiting} and d.tenant_id = k.tenant_id and ${lane} = k.lane and d.run_at >= k.since
        order by d.run_at, d.id limit 1) f
    )`;
}

interface Scan {
  readonly claim: string | null;
  readonly lanes: readonly LanePlace[] | null;
  readonly tenants: number;
  readonly lastTenant: string | null;
  readonly targets: Record<string, string> | null;
}

/** The UUID after this one, to go on from; the first of all where there is none. */
function after(id: string | null): string {
  if (id === null) return noTarget;
  const next = (BigInt(`0x${id.replaceAll('-', '')}`) + 1n).toString(16).padStart(32, '0').slice(-32);
  return next.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/**
 * Extends the leases of what still runs here. What does not come back was lost to another worker,
 * and its run should end.
 *
 * @returns the ids whose lease is still ours.
 */
export async function renewLeases(
  db: Kysely<Database>,
  worker: string,
  running: readonly Claim[],
  leaseSeconds: number,
): Promise<Set<string>> {
  if (running.length === 0) return new Set();
  const { rows } = await sql<{ id: string }>`
    update deliveries d set lease_until = now() + ${leaseSeconds}::int * interval '1 second'
    from unnest(${running.map((c) => c.tenant_id)}::uuid[], ${running.map((c) => c.id)}::uuid[],
      ${running.map((c) => c.fence)}::bigint[]) as r(tenant_id, id, fence)
    where d.tenant_id = r.tenant_id and d.id = r.id and d.fence = r.fence and d.state = 'running'
      and d.lease_owner = ${worker}
    returning d.id`.execute(db);
  return new Set(rows.map((row) => row.id));
}

/** How many claims, and how many deliveries, one statement looks at. */
const maxClaims = 200;
const maxLost = 1_000;

/**
 * Takes back deliveries whose worker showed no sign of life until the lease ended: they are due at
 * once, and the lost try is logged. Each claim has left a note of where to look; it goes when nothing
 * of the claim runs any more.
 *
 * @returns how many.
 */
export async function reapExpiredLeases(db: Kysely<Database>): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    with looked as materialized (
      select id, tenant_ids, delivery_ids from claims
      where look_at < now() order by look_at limit ${maxClaims} for update skip locked
    ), running as materialized (
      select l.id as claim_id, d.tenant_id, d.id, d.lease_until
      from looked l cross join lateral unnest(l.tenant_ids, l.delivery_ids) as c(tenant_id, id)
      join deliveries d on d.tenant_id = c.tenant_id and d.id = c.id
      where d.state = 'running'
    ), ${takeBack(sql`
      select d.tenant_id, d.id from deliveries d
      join (select distinct tenant_id, id from running where lease_until < now()) r
        on r.tenant_id = d.tenant_id and r.id = d.id
      where d.state = 'running' and d.lease_until < now()
      limit ${maxLost} for update of d skip locked`)}, still as materialized (
      select claim_id, min(lease_until) as lease_until from running r
      where not exists (select from freed f where f.tenant_id = r.tenant_id and f.id = r.id)
      group by claim_id
    ), noted as (
      update claims c set look_at = greatest(s.lease_until, now() + interval '1 second')
      from still s where c.id = s.claim_id
    ), forgotten as (
      delete from claims c using looked l
      where c.id = l.id and not exists (select from still s where s.claim_id = l.id)
    )
    select count(*)::int as count from freed`.execute(db);
  return rows[0]?.count ?? 0;
}

/**
 * Takes back what runs without a sign of life, wherever it is: what a process of an earlier version
 * left, which makes no note of its claims. This reads all that waits, so it is for now and then.
 *
 * @param all true takes back all that runs: at the start of the only process there is.
 * @returns how many.
 */
export async function sweepExpiredLeases(db: Kysely<Database>, all = false): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    with ${takeBack(sql`
      select d.tenant_id, d.id from deliveries d
      where ${isInLane} and d.state = 'running' and (d.lease_until < now() or ${all})
      limit ${maxLost} for update skip locked`)}
    select count(*)::int as count from freed`.execute(db);
  return rows[0]?.count ?? 0;
}

/** Expressions of a `with`: what `lost` finds is `freed`, and logged. */
function takeBack(lost: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`lost as materialized (${lost}), freed as (
      update deliveries d set state = 'pending', run_at = now(), lease_owner = null, lease_until = null
      from lost, deliveries before
      where d.tenant_id = lost.tenant_id and d.id = lost.id
        and before.tenant_id = lost.tenant_id and before.id = lost.id
      returning d.tenant_id, d.id, d.fence, d.attempts, before.lease_owner, before.updated_at
    ), logged as (
      insert into attempts (tenant_id, delivery_id, fence, number, worker, outcome, error, started_at, duration_ms)
      select tenant_id, id, fence, attempts, coalesce(lease_owner, 'unknown'), 'lease_expired',
        '{"code":"lease_expired","message":"the worker showed no sign of life until its lease ended"}',
        updated_at, least(extract(epoch from now() - updated_at) * 1000, 2147483647)::int
      from freed on conflict do nothing
    )`;
}

/** Gives back what was claimed and not started; it does not count as a try. */
export async function releaseClaims(db: Kysely<Database>, claims: readonly Claim[]): Promise<void> {
  if (claims.length === 0) return;
  await sql`
    update deliveries d set state = 'pending', attempts = d.attempts - 1, lease_owner = null, lease_until = null,
      updated_at = now()
    from unnest(${claims.map((c) => c.tenant_id)}::uuid[], ${claims.map((c) => c.id)}::uuid[],
      ${claims.map((c) => c.fence)}::bigint[]) as r(tenant_id, id, fence)
    where d.tenant_id = r.tenant_id and d.id = r.id and d.fence = r.fence and d.state = 'running'`.execute(db);
}

/** Forgets claims of which everything has ended. */
export async function forgetClaims(db: Kysely<Database>, done: readonly string[]): Promise<void> {
  if (done.length > 0) await sql`delete from claims where id = any(${[...done]}::bigint[])`.execute(db);
}
