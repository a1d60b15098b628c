import { sql, type Kysely, type RawBuilder } from 'kysely';
import type { Database } from '../db/schema.ts';
import { firstLane, isWaiting, lane, noTarget } from './to-run.ts';

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
        'tenants', (select count(tenant_id) from tenants),
        'lastTenant', (select max(tenant_id::text) from tenants),
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

/** Lanes that something waits in still, of those where something did; of the round of tenants nothing. */
function knownLanes(places: readonly LanePlace[]): RawBuilder<unknown> {
  return sql`known as materialized (
      select * from unnest(${places.map(([tenant]) => tenant)}::uuid[], ${places.map(([, own]) => own)}::uuid[],
        ${places.map(([, , since]) => since)}::timestamptz[]) as k(tenant_id, lane, since)
    ), tenants as (select tenant_id from known limit 0), lanes as materialized (
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
