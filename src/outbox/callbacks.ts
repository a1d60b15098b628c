import { sql, type Kysely } from 'kysely';
import { z } from 'zod';
import type { Database } from '../db/schema.ts';
import { conflict, notFound, PermanentError, RetryableError } from '../lib/errors.ts';
import type { Sealer } from '../lib/sealing.ts';
import { storableJson } from '../lib/storable.ts';
import { readCallbackToken } from './callback-token.ts';
import type { Claim } from './claim.ts';
import { completeDeliveries, nothingMore, type Completion } from './complete.ts';
import type { OutboxObserver } from './observe.ts';
import { judgeFailure } from './retry-policy.ts';
import { holdsKey, loadWork, policyOf, type Work } from './work.ts';

/** What a target says when it calls back. Without a body: that it has succeeded. */
export const callbackBody = z.object({
  status: z.enum(['succeeded', 'failed', 'retry']).default('succeeded'),
  /** Stored as the delivery's result. */
  result: z.json().optional(),
  /** Why it failed, or should be tried again. */
  error: z.string().max(2_000).optional(),
});
export type Callback = z.infer<typeof callbackBody>;

type CallbackObserver = Pick<OutboxObserver, 'calledBack'>;

const columns = sql`d.tenant_id, d.id, d.message_id, d.route_id, d.target_id, d.handler_kind, d.ordering_key, d.attempts,
  d.fence::text, d.replay_of, d.created_at, d.run_at`;

/**
 * Takes a callback in. One that comes while the run still goes on is kept, and counts as soon as the
 * delivery is awaiting it.
 *
 * @throws PostroomError `not_found` for a URL that we did not make; `conflict` where it was used, or
 *   its time is over.
 */
export async function receiveCallback(
  db: Kysely<Database>,
  sealer: Sealer,
  token: string,
  callback: Callback,
  observe?: CallbackObserver,
): Promise<void> {
  const named = readCallbackToken(sealer, token);
  if (!named) throw notFound('callback', ['path', 'token']);
  const { rows } = await sql<Claim & { state: string }>`
    update deliveries d set callback = ${storableJson(callback)}::jsonb, updated_at = now()
    where d.tenant_id = ${named.tenant_id} and d.id = ${named.id} and d.fence = ${named.fence}::bigint
      and d.state in ('running', 'awaiting') and d.callback is null
    returning ${columns}, d.state`.execute(db);
  const [row] = rows;
  if (!row) throw conflict('it was called back before, or is not awaited any more', ['path', 'token']);
  if (row.state === 'awaiting') await settleCallbacks(db, [{ claim: row, callback }], observe);
}

/** Ends deliveries that are awaiting, by what was called back. Returns how many. */
export async function settleCallbacks(
  db: Kysely<Database>,
  settled: readonly { readonly claim: Claim; readonly callback: unknown }[],
  observe?: CallbackObserver,
): Promise<number> {
  if (settled.length === 0) return 0;
  const work = await loadWork(
    db,
    settled.map(({ claim }) => claim),
  );
  const completions = settled.map(({ claim, callback }, index): Completion => {
    const { status, result, error } = callbackBody.parse(callback);
    const item = work[index] as Work;
    if (status === 'succeeded') {
      return { ...ended(claim), outcome: 'succeeded', result: { callback: result ?? null } };
    }
    const thrown =
      status === 'failed'
        ? new PermanentError('callback_failed', error ?? 'the target called back that it failed')
        : new RetryableError('callback_retry', error ?? 'the target called back that it should be tried again');
    return { ...ended(claim), ...judged(thrown, item) };
  });
  return await complete(db, completions, observe);
}

/**
 * Ends deliveries whose deadline has passed: another try, or death, as they asked for. And those
 * that were called back by a process that died before it could end them: their callback was
 * answered, so nobody calls again.
 */
export async function expireAwaiting(db: Kysely<Database>, observe?: CallbackObserver): Promise<number> {
  return (await settleLeftCallbacks(db, observe)) + (await expireDeadlines(db, observe));
}

async function settleLeftCallbacks(db: Kysely<Database>, observe: CallbackObserver | undefined): Promise<number> {
  const { rows } = await sql<Claim & { callback: unknown }>`
    select ${columns}, d.callback from deliveries d
    where d.state = 'awaiting' and d.on_deadline is not null and d.callback is not null
    order by d.tenant_id, d.id limit 500`.execute(db);
  return await settleCallbacks(
    db,
    rows.map(({ callback, ...claim }) => ({ claim, callback })),
    observe,
  );
}

async function expireDeadlines(db: Kysely<Database>, observe: CallbackObserver | undefined): Promise<number> {
  const { rows } = await sql<Claim & { on_deadline: string | null }>`
    select ${columns}, d.on_deadline from deliveries d
    where d.state = 'awaiting' and d.finished_at is null and d.on_deadline is not null and d.run_at < now()
      and d.callback is null
    order by d.run_at limit 500`.execute(db);
  if (rows.length === 0) return 0;
  const work = await loadWork(db, rows);
  const completions = rows.map((claim, index): Completion => {
    const Thrown = claim.on_deadline === 'dead' ? PermanentError : RetryableError;
    const thrown = new Thrown('callback_deadline', 'the target did not call back in time');
    return { ...ended(claim), ...judged(thrown, work[index] as Work) };
  });
  return await complete(db, completions, observe);
}

/** Returns how many changed something: what was settled by another meanwhile does not count. */
async function complete(
  db: Kysely<Database>,
  completions: readonly Completion[],
  observe: CallbackObserver | undefined,
): Promise<number> {
  const counted = await completeDeliveries(db, completions);
  const effective = completions.filter((_completion, index) => counted[index]?.counted);
  for (const { outcome } of effective) observe?.calledBack(outcome);
  return effective.length;
}

function judged(error: Error, work: Work): Partial<Completion> & Pick<Completion, 'outcome'> {
  const verdict = judgeFailure(error, policyOf(work), work.claim.attempts, Math.random());
  return {
    outcome: verdict.outcome,
    delayMs: verdict.outcome === 'retry' ? verdict.delayMs : 0,
    error: verdict.error,
    holdsKey: verdict.outcome === 'dead' && holdsKey(work),
  };
}

/** What all of these have in common; the time that the attempt took is the database's to tell. */
function ended(claim: Claim): Omit<Completion, 'outcome'> {
  return { ...nothingMore, claim, worker: 'callback', from: 'awaiting', startedAt: new Date(0), durationMs: 0 };
}
