import { sql, type Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { processedAt, withStatus } from '../db/message-status.ts';
import { allLanes, knownLanes, maxLanes, maxTenants, type LanePlace, type Position } from './find-lanes.ts';
import { isWaiting, lane } from './to-run.ts';
import {
  assembleWork,
  sharedByClaimed,
  workMessage,
  workMessageBody,
  type Shared,
  type Work,
  type WorkMessage,
} from './work.ts';

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

export interface Claimed {
  readonly claims: readonly Claim[];
  /** What they are about, each of them in their order. */
  readonly work: readonly Work[];
  /** Names the claim, until everything of it has ended; null where nothing was claimed. */
  readonly claimId: string | null;
  readonly position: Position;
  /** Whether every tenant has been looked at since the round began. */
  readonly isRound: boolean;
  /** The lanes in which something waited, and from where on more may wait. */
  readonly lanes: readonly LanePlace[];
  /** Whether these are all lanes that there are. */
  readonly isWhole: boolean;
}

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
 *
 * A claim does not wait for the disk: should the server lose it in a crash, what was claimed is due
 * still, and is tried again. The completion, which must not be lost, comes after it in the log.
 */
export async function claimDeliveries(db: Kysely<Database>, request: ClaimRequest): Promise<Claimed> {
  const { worker, free, leaseSeconds, workers, rank, load, position, lanes } = request;
  const { rows } = await sql<Row>`${lanes ? sql`/* prepare claim_known_lanes */` : sql`/* prepare claim_deliveries */`}
    with recursive given as materialized (
      select ${free}::int as free, ${workers}::int as workers,
        ${rank}::int as rank, ${worker}::text as worker, now() + ${leaseSeconds}::int * interval '1 second' as lease_until,
        set_config('synchronous_commit', 'off', true)
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
      select q.tenant_id, q.lane, d.*
      from quotas q
      cross join lateral (
        select n.*, row_number() over () as turn from (
          select d.id, d.run_at, d.ctid as place from deliveries d
          where ${isWaiting} and d.tenant_id = q.tenant_id and ${lane} = q.lane
            and d.run_at >= q.due_at and d.run_at <= now()
          order by d.run_at, d.id
          limit least(q.quota, ceil((select free from given)::float8 / (select count(*) from quotas where quota > 0))::int)
          for update skip locked
        ) n
      ) d
      where q.quota > 0
    ), due as (
      select tenant_id, id, lane, run_at, place from (
        select *, row_number() over (partition by tenant_id order by turn, lane) as tenant_turn from found
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
    select case when c.n is null or c.n = 1 then s.scan end as scan,
      c.tenant_id, c.message_id as id, ${workMessageBody},
      c.id as delivery_id, c.route_id as delivery_route_id, c.target_id, c.handler_kind, c.ordering_key,
      c.attempts, c.fence, c.replay_of, c.created_at as delivery_created_at, c.run_at,
      -- Only what is repeated may have been delivered before.
      case when c.replay_of is not null then ${processedAt.expression} end as processed_at
    from (
      select json_build_object(
        'claim', (select id::text from noted),
        -- From a target whose breaker is not closed only its probe is claimed.
        'shared', ${sharedByClaimed(sql`case t.breaker when 'closed' then 'closed' else 'half_open' end`)},
        'lanes', (select json_agg(json_build_array(l.tenant_id, l.lane, coalesce(c.run_at, l.due_at))) from lanes l
          left join (select tenant_id, lane, max(run_at) as run_at from due group by tenant_id, lane) c
            on c.tenant_id = l.tenant_id and c.lane = l.lane),
        'tenants', (select count(tenant_id) from tenants),
        'lastTenant', (select max(tenant_id::text) from tenants),
        'targets', (select json_object_agg(f.tenant_id, f.last) from (
          select tenant_id, max(lane::text) as last from lanes group by tenant_id having count(*) >= ${maxLanes}) f)
      ) as scan) s
    left join (select row_number() over () as n, * from claimed) c on true
    left join lateral (
      select ${workMessage} from inbound_messages m where m.tenant_id = c.tenant_id and m.id = c.message_id offset 0
    ) m on true`.execute(db);
  const scan = rows.find((row) => row.scan !== null)?.scan;
  const claims: Claim[] = [];
  const messages = new Map<string, WorkMessage>();
  for (const row of rows) {
    if (row.delivery_id === null) continue;
    claims.push({
      tenant_id: row.tenant_id,
      id: row.delivery_id,
      message_id: row.id,
      route_id: row.delivery_route_id,
      target_id: row.target_id,
      handler_kind: row.handler_kind,
      ordering_key: row.ordering_key,
      attempts: row.attempts,
      fence: row.fence,
      replay_of: row.replay_of,
      created_at: row.delivery_created_at,
      run_at: row.run_at,
    });
    if (row.status !== null) messages.set(row.id, withStatus(row as Row & WorkMessage));
  }
  claims.sort((a, b) => (a.id < b.id ? -1 : 1));
  const work = assembleWork(claims, messages, scan?.shared ?? { routes: [], targets: [] });
  const found = { claims, work, claimId: scan?.claim ?? null, lanes: scan?.lanes ?? [] };
  if (lanes) return { ...found, position, isRound: true, isWhole: true };
  const isRound = !scan || scan.tenants < maxTenants;
  const targets = scan?.targets ?? {};
  const isWhole = isRound && isBeginning(position) && Object.keys(targets).length === 0;
  return { ...found, position: { tenant: isRound ? null : scan.lastTenant, targets }, isRound, isWhole };
}

function isBeginning({ tenant, targets }: Position): boolean {
  return tenant === null && Object.keys(targets).length === 0;
}

/** A claimed delivery with its message; what both have is named after the delivery where it is the delivery's. */
type Row = Omit<Claim, 'id' | 'message_id' | 'route_id' | 'created_at'> &
  Omit<WorkMessage, 'status'> & {
    readonly scan: Scan | null;
    /** Null where nothing was claimed. */
    readonly delivery_id: string | null;
    readonly delivery_route_id: string | null;
    readonly delivery_created_at: Date;
    /** Null where the message is no more. */
    readonly status: WorkMessage['status'] | null;
    readonly processed_at: Date | null;
  };

interface Scan {
  readonly claim: string | null;
  readonly shared: Shared;
  readonly lanes: readonly LanePlace[] | null;
  readonly tenants: number;
  readonly lastTenant: string | null;
  readonly targets: Record<string, string> | null;
}
