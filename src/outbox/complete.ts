import { setTimeout as sleep } from 'node:timers/promises';
import { sql, type Kysely } from 'kysely';
import { isUnavailable } from '../db/client.ts';
import { lockKeys, releaseNext } from '../db/ordering-keys.ts';
import type { Database } from '../db/schema.ts';
import { createBatcher, type Batcher } from '../lib/batcher.ts';
import { storableJson } from '../lib/storable.ts';
import type { Claim } from './claim.ts';
import { endColumns } from './end-columns.ts';
import type { FailureRecord } from './retry-policy.ts';
import { writeSuccesses } from './successes.ts';

/** How one try ended, or for now: `awaiting` what the target calls back. */
export interface Completion {
  readonly claim: Claim;
  readonly worker: string;
  /** The state that it ends; `awaiting` for what was called back, or was not in time. */
  readonly from: 'running' | 'awaiting';
  readonly outcome: 'succeeded' | 'retry' | 'dead' | 'awaiting';
  /** Milliseconds until the next try, with `retry`; until the deadline, with `awaiting`. */
  readonly delayMs: number;
  /** What follows from a deadline that passes, with `awaiting`. */
  readonly onDeadline: 'retry' | 'dead' | null;
  /** With `dead`: its ordering key waits until somebody has seen to it. */
  readonly holdsKey: boolean;
  readonly result: Record<string, unknown> | null;
  readonly error: FailureRecord | null;
  readonly statusCode: number | null;
  /** Beginning of what the target answered. */
  readonly response: string | null;
  readonly startedAt: Date;
  readonly durationMs: number;
}

/** What a completion says besides how the try ended, where there is nothing more to say. */
export const nothingMore = {
  delayMs: 0,
  onDeadline: null,
  holdsKey: false,
  result: null,
  error: null,
  statusCode: null,
  response: null,
} as const;

/** What became of a completion. */
export interface Counted {
  /** False: another worker has taken the delivery over, and nothing was changed. */
  readonly counted: boolean;
  /** What was called back before the delivery was awaiting it. */
  readonly callback: unknown;
}
export type Completer = Batcher<Completion, Counted>;

/** How long to wait where the database is away, before the next try to tell it. */
const pauseMs = 250;

/**
 * Completions in groups, like the inbox: one by one 6,000 a second, in groups 50,000. While the
 * database is away a lease is nobody else's either, so the end is told when it is back.
 *
 * @param patience for how long that is tried, in milliseconds; and whether nobody waits for it any more.
 */
export function createCompleter(db: Kysely<Database>, patience: { readonly ms: number; isOver(): boolean }): Completer {
  return createBatcher<Completion, Counted>({
    async flush(completions) {
      const until = performance.now() + patience.ms;
      for (;;) {
        try {
          return await completeDeliveries(db, completions);
        } catch (error) {
          if (patience.isOver() || !isUnavailable(error) || performance.now() > until) throw error;
          await sleep(pauseMs);
        }
      }
    },
    writers: 2,
    maxItems: 500,
    maxQueuedItems: Infinity,
  });
}

/**
 * Ends tries: delivery and attempt in one commit, and the message too where the delivery is dead. Only
 * the worker that holds the lease and shows the latest fencing number is heard; the attempt of another is logged as
 * `superseded` and changes nothing. Where a delivery with an ordering key has ended, the next of its
 * key is let go in the same commit.
 */
export async function completeDeliveries(db: Kysely<Database>, completions: readonly Completion[]): Promise<Counted[]> {
  const keyed = completions.filter(({ claim }) => claim.ordering_key !== null).map(({ claim }) => claim);
  if (keyed.length === 0) return await writeEnds(db, completions);
  return await db.transaction().execute(async (trx) => {
    await lockKeys(trx, keyed);
    const counted = await writeEnds(trx, completions);
    await releaseNext(trx, keyed);
    return counted;
  });
}

const plainlyCounted: Counted = { counted: true, callback: null };

async function writeEnds(db: Kysely<Database>, completions: readonly Completion[]): Promise<Counted[]> {
  const isSuccess = ({ from, outcome }: Completion): boolean => from === 'running' && outcome === 'succeeded';
  const late = await writeSuccesses(db, completions.filter(isSuccess));
  const others = completions.filter((completion) => !isSuccess(completion));
  const special = await writeCompletions(db, [...others, ...late]);
  return completions.map((completion) => special.get(completion) ?? plainlyCounted);
}

/** What there is to say of an end besides which it was; what is undefined is not said. */
function detailsOf(ended: Completion): Readonly<Record<string, unknown>> {
  return {
    on_deadline: ended.onDeadline ?? undefined,
    holds_key: ended.holdsKey || undefined,
    delay_ms: ended.delayMs || undefined,
    result: ended.result ?? undefined,
    error: ended.error ?? undefined,
    status_code: ended.statusCode ?? undefined,
    response: ended.response ?? undefined,
  };
}

/** Ends tries however they ended. Returns those that do not count, or were called back before they awaited it. */
async function writeCompletions(
  db: Kysely<Database>,
  completions: readonly Completion[],
): Promise<Map<Completion, Counted>> {
  if (completions.length === 0) return new Map();
  const { ordered, column } = endColumns(completions);
  const details = ordered.map((ended, n) => ({ n: n + 1, ...detailsOf(ended) }));
  const { rows } = await sql<Counted & { n: string }>`/* prepare complete_deliveries */
    with ended as materialized (
      select e.*, d.on_deadline, coalesce(d.holds_key, false) as holds_key, coalesce(d.delay_ms, 0) as delay_ms,
        case when e.outcome = 'succeeded' then coalesce(d.result, '{}') end as result, d.error, d.status_code, d.response
      from (select
        ${column(({ claim }) => claim.tenant_id)}::uuid[] as tenant_ids, ${column(({ claim }) => claim.id)}::uuid[] as ids,
        ${column(({ claim }) => claim.fence)}::bigint[] as fences, ${column(({ claim }) => claim.attempts)}::int[] as numbers,
        ${ordered.map(({ worker }) => worker)}::text[] as workers, ${column(({ from }) => from)}::text[] as from_states,
        ${column(({ outcome }) => outcome)}::text[] as outcomes,
        ${column(({ startedAt }) => startedAt.getTime())}::float8[] as starts,
        ${column(({ durationMs }) => Math.round(durationMs))}::int[] as durations
        -- So that the rows are looked up by key: whoever knew how many there are would read a small table from end to end.
        offset 0
      ) g cross join lateral unnest(g.tenant_ids, g.ids, g.fences, g.numbers, g.workers, g.from_states, g.outcomes,
        g.starts, g.durations) with ordinality as e(tenant_id, id, fence, number, worker, from_state, outcome, started_ms, duration_ms, n)
      left join json_to_recordset(${storableJson(details)}::json) as d(
        n bigint, on_deadline text, holds_key boolean, delay_ms float8, result jsonb, error jsonb, status_code int,
        response text) on d.n = e.n
    ), updated as (
      update deliveries d set
        state = case e.outcome when 'retry' then 'pending' else e.outcome end,
        run_at = case when e.outcome in ('retry', 'awaiting') then now() + e.delay_ms * interval '1 millisecond'
          else d.run_at end,
        finished_at = case when e.outcome in ('retry', 'awaiting') then null else now() end,
        on_deadline = e.on_deadline, holds_key = e.holds_key,
        callback = case e.outcome when 'retry' then null else d.callback end,
        result = e.result, error = e.error, lease_owner = null, lease_until = null, updated_at = now()
      from ended e
      where d.tenant_id = e.tenant_id and d.id = e.id and d.fence = e.fence and d.state = e.from_state
        -- A claim that the server lost in a crash may have had the same fence.
        and (e.from_state <> 'running' or d.lease_owner = e.worker)
      returning d.tenant_id, d.id, d.message_id, d.state, d.error, d.callback, e.n
    ), logged as (
      insert into attempts as a (tenant_id, delivery_id, fence, number, worker, outcome, status_code, error, response,
        started_at, duration_ms)
      select e.tenant_id, e.id, e.fence, e.number, e.worker,
        case when u.n is null then 'superseded' else e.outcome end, e.status_code, e.error, e.response,
        to_timestamp(e.started_ms / 1000), e.duration_ms
      from ended e left join updated u on u.n = e.n
      -- Not of a claim that the server lost in a crash: its fence is, or will be, another's.
      where u.n is not null or (
        select d.fence > e.fence from deliveries d where d.tenant_id = e.tenant_id and d.id = e.id)
      -- What was awaited, or what has taken the delivery over, may have been logged before.
      on conflict (tenant_id, delivery_id, fence) do update set
        outcome = excluded.outcome, error = excluded.error,
        duration_ms = least(greatest(extract(epoch from now() - a.started_at) * 1000, 0), 2147483647)::int
      where a.outcome = 'awaiting' and excluded.outcome <> 'superseded'
    ), told as (
      update inbound_messages m set status = 'failed', error = u.error, updated_at = now()
      from updated u
      where m.tenant_id = u.tenant_id and m.id = u.message_id and u.state = 'dead' and m.status in ('routed', 'failed')
    )
    -- Most count, and were not called back: of those nothing is said.
    select e.n, u.n is not null as counted, u.callback from ended e left join updated u on u.n = e.n
    where u.n is null or u.callback is not null`.execute(db);
  return new Map(rows.map(({ n, ...counted }) => [ordered[Number(n) - 1] as Completion, counted]));
}
