import { sql, type Kysely } from 'kysely';
import { lockKeys, releaseNext } from '../db/ordering-keys.ts';
import type { Database } from '../db/schema.ts';
import { createBatcher, type Batcher } from '../lib/batcher.ts';
import { storableJson } from '../lib/storable.ts';
import type { Claim } from './claim.ts';
import type { FailureRecord } from './retry-policy.ts';

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

/** What became of a completion. */
export interface Counted {
  /** False: another worker has taken the delivery over, and nothing was changed. */
  readonly counted: boolean;
  /** What was called back before the delivery was awaiting it. */
  readonly callback: unknown;
}
export type Completer = Batcher<Completion, Counted>;

/** Completions in groups, like the inbox: one by one 6,000 a second, in groups 50,000. */
export function createCompleter(db: Kysely<Database>): Completer {
  return createBatcher<Completion, Counted>({
    flush: (completions) => completeDeliveries(db, completions),
    writers: 1,
    maxItems: 500,
    maxQueuedItems: Infinity,
  });
}

/**
 * Ends tries: delivery, attempt and message in one commit. Only the worker that shows the latest
 * fencing number is heard; the attempt of another is logged as `superseded` and changes nothing.
 * Where a delivery with an ordering key has ended, the next of its key is let go in the same commit.
 */
export async function completeDeliveries(db: Kysely<Database>, completions: readonly Completion[]): Promise<Counted[]> {
  const keyed = completions.filter(({ claim }) => claim.ordering_key !== null).map(({ claim }) => claim);
  if (keyed.length === 0) return await writeCompletions(db, completions);
  return await db.transaction().execute(async (trx) => {
    await lockKeys(trx, keyed);
    const counted = await writeCompletions(trx, completions);
    await releaseNext(trx, keyed);
    return counted;
  });
}

async function writeCompletions(db: Kysely<Database>, completions: readonly Completion[]): Promise<Counted[]> {
  const rows = completions.map(({ claim, ...ended }) => ({
    tenant_id: claim.tenant_id,
    id: claim.id,
    fence: claim.fence,
    number: claim.attempts,
    worker: ended.worker,
    from_state: ended.from,
    outcome: ended.outcome,
    on_deadline: ended.onDeadline,
    holds_key: ended.holdsKey,
    delay_ms: ended.delayMs,
    result: ended.result,
    error: ended.error,
    status_code: ended.statusCode,
    response: ended.response,
    started_at: ended.startedAt,
    duration_ms: Math.round(ended.durationMs),
  }));
  rows.sort((a, b) => (a.id < b.id ? -1 : 1));
  const result = await sql<{ id: string; callback: unknown }>`/* prepare complete_deliveries */
    with ended as (
      select * from json_to_recordset(${storableJson(rows)}::json) as e(
        tenant_id uuid, id uuid, fence bigint, number int, worker text, from_state text, outcome text, delay_ms float8,
        on_deadline text, holds_key boolean, result jsonb, error jsonb, status_code int, response text,
        started_at timestamptz, duration_ms int)
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
      returning d.tenant_id, d.id, d.message_id, d.state, d.error, d.callback
    ), logged as (
      insert into attempts as a (tenant_id, delivery_id, fence, number, worker, outcome, status_code, error, response,
        started_at, duration_ms)
      select e.tenant_id, e.id, e.fence, e.number, e.worker,
        case when u.id is null then 'superseded' else e.outcome end,
        e.status_code, e.error, e.response, e.started_at, e.duration_ms
      from ended e left join updated u on u.tenant_id = e.tenant_id and u.id = e.id
      on conflict (tenant_id, delivery_id, fence) do update set
        outcome = excluded.outcome, error = excluded.error,
        duration_ms = least(greatest(extract(epoch from now() - a.started_at) * 1000, 0), 2147483647)::int
      where a.outcome = 'awaiting' and excluded.outcome <> 'superseded'
    ), told as (
      update inbound_messages m set
        status = case u.state when 'succeeded' then 'processed' else 'failed' end,
        error = case u.state when 'succeeded' then null else u.error end,
        updated_at = now()
      from updated u
      where m.tenant_id = u.tenant_id and m.id = u.message_id and u.state in ('succeeded', 'dead')
        and not (u.state = 'dead' and m.status = 'processed')
    )
    select id, callback from updated`.execute(db);
  const counted = new Map(result.rows.map((row) => [row.id, row.callback]));
  return completions.map(({ claim }) => ({
    counted: counted.has(claim.id),
    callback: counted.get(claim.id) ?? null,
  }));
}
