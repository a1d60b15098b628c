import { sql, type Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { createBatcher, type Batcher } from '../lib/batcher.ts';
import { storableJson } from '../lib/storable.ts';
import type { Claim } from './claim.ts';
import type { FailureRecord } from './retry-policy.ts';

/** How one try ended. */
export interface Completion {
  readonly claim: Claim;
  readonly worker: string;
  readonly outcome: 'succeeded' | 'retry' | 'dead';
  /** Milliseconds until the next try, with `retry`. */
  readonly delayMs: number;
  readonly result: Record<string, unknown> | null;
  readonly error: FailureRecord | null;
  readonly statusCode: number | null;
  /** Beginning of what the target answered. */
  readonly response: string | null;
  readonly startedAt: Date;
  readonly durationMs: number;
}

/** Resolves to whether the completion counted; false: another worker has taken the delivery over. */
export type Completer = Batcher<Completion, boolean>;

/** Completions in groups, like the inbox: one by one 6,000 a second, in groups 50,000. */
export function createCompleter(db: Kysely<Database>): Completer {
  return createBatcher<Completion, boolean>({
    flush: (completions) => completeDeliveries(db, completions),
    writers: 1,
    maxItems: 500,
    maxQueuedItems: Infinity,
  });
}

/**
 * Ends tries: delivery, attempt and message in one commit. Only the worker that shows the latest
 * fencing number is heard; the attempt of another is logged as `superseded` and changes nothing.
 */
export async function completeDeliveries(db: Kysely<Database>, completions: readonly Completion[]): Promise<boolean[]> {
  const rows = completions.map(({ claim, ...ended }) => ({
    tenant_id: claim.tenant_id,
    id: claim.id,
    fence: claim.fence,
    number: claim.attempts,
    worker: ended.worker,
    outcome: ended.outcome,
    delay_ms: ended.delayMs,
    result: ended.result,
    error: ended.error,
    status_code: ended.statusCode,
    response: ended.response,
    started_at: ended.startedAt,
    duration_ms: Math.round(ended.durationMs),
  }));
  rows.sort((a, b) => (a.id < b.id ? -1 : 1));
  const result = await sql<{ id: string }>`/* prepare complete_deliveries */
    with ended as (
      select * from json_to_recordset(${storableJson(rows)}::json) as e(
        tenant_id uuid, id uuid, fence bigint, number int, worker text, outcome text, delay_ms float8, result jsonb,
        error jsonb, status_code int, response text, started_at timestamptz, duration_ms int)
    ), updated as (
      update deliveries d set
        state = case e.outcome when 'retry' then 'pending' else e.outcome end,
        run_at = case e.outcome when 'retry' then now() + e.delay_ms * interval '1 millisecond' else d.run_at end,
        finished_at = case e.outcome when 'retry' then null else now() end,
        result = e.result, error = e.error, lease_owner = null, lease_until = null, updated_at = now()
      from ended e
      where d.tenant_id = e.tenant_id and d.id = e.id and d.fence = e.fence and d.state = 'running'
      returning d.tenant_id, d.id, d.message_id, d.state, d.error
    ), logged as (
      insert into attempts (tenant_id, delivery_id, fence, number, worker, outcome, status_code, error, response,
        started_at, duration_ms)
      select e.tenant_id, e.id, e.fence, e.number, e.worker,
        case when u.id is null then 'superseded' else e.outcome end,
        e.status_code, e.error, e.response, e.started_at, e.duration_ms
      from ended e left join updated u on u.tenant_id = e.tenant_id and u.id = e.id
      on conflict do nothing
    ), told as (
      update inbound_messages m set
        status = case u.state when 'succeeded' then 'processed' else 'failed' end,
        error = case u.state when 'succeeded' then null else u.error end,
        updated_at = now()
      from updated u
      where m.tenant_id = u.tenant_id and m.id = u.message_id and u.state in ('succeeded', 'dead')
        and not (u.state = 'dead' and m.status = 'processed')
    )
    select id from updated`.execute(db);
  const counted = new Set(result.rows.map((row) => row.id));
  return completions.map((completion) => counted.has(completion.claim.id));
}
