import { AwaitingCallback } from '../handler.ts';
import { messageOf, PermanentError, RetryableError } from '../lib/errors.ts';
import { nothingMore, type Completion } from './complete.ts';
import { judgeFailure } from './retry-policy.ts';
import { holdsKey, policyOf, runDelivery, timeoutOf, type RunContext, type Work } from './run-delivery.ts';

/** How one try ended; `thrown` is what its handler threw. */
export type Ended = Omit<Completion, 'claim' | 'worker' | 'from' | 'startedAt' | 'durationMs'> & {
  readonly thrown?: unknown;
};

/**
 * Runs a delivery's handler once, within its time, and judges how that ended. It never throws: what
 * the handler threw is part of the outcome.
 */
export async function tryDelivery(context: RunContext, work: Work, abort: AbortController): Promise<Ended> {
  const policy = policyOf(work);
  const timeoutMs = timeoutOf(context, work);
  // The handler's own calls end at the timeout by themselves; this ends a handler that does not listen.
  const timer = setTimeout(() => abort.abort(new Error(`no end after ${timeoutMs} ms`)), timeoutMs + 1_000);
  const { signal } = abort;
  try {
    if (work.claim.attempts > policy.maxAttempts) {
      throw new PermanentError('attempts_exhausted', 'the tries are used up; the last one did not end');
    }
    const result = await Promise.race([runDelivery(context, work, signal), rejectOn(signal)]);
    if (result instanceof AwaitingCallback) {
      const { deadlineMs, onDeadline } = result;
      return { ...nothingMore, outcome: 'awaiting', delayMs: deadlineMs, onDeadline };
    }
    const { status, body } = result as { status?: unknown; body?: unknown };
    return {
      ...nothingMore,
      outcome: 'succeeded',
      result,
      statusCode: typeof status === 'number' ? status : null,
      response: typeof body === 'string' ? body.slice(0, 4_096) : null,
    };
  } catch (error) {
    const { response, ...verdict } = splitResponse(judgeFailure(error, policy, work.claim.attempts, Math.random()));
    const status = verdict.error['status'];
    return {
      ...nothingMore,
      outcome: verdict.outcome,
      delayMs: verdict.outcome === 'retry' ? verdict.delayMs : 0,
      holdsKey: verdict.outcome === 'dead' && holdsKey(work),
      error: verdict.error,
      statusCode: typeof status === 'number' ? status : null,
      response,
      thrown: error,
    };
  } finally {
    clearTimeout(timer);
  }
}

function rejectOn(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = (): void => reject(new RetryableError('timeout', messageOf(signal.reason), { cause: signal.reason }));
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });
}

/** The target's answer has a column of its own; in the error it would stand twice. */
function splitResponse<V extends { error: { [key: string]: unknown; code: string; message: string } }>(
  verdict: V,
): V & { response: string | null } {
  const { response, ...error } = verdict.error;
  return {
    ...verdict,
    error,
    response: typeof response === 'string' ? response.slice(0, 4_096) : null,
  };
}
