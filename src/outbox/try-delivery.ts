import { AwaitingCallback } from '../handler.ts';
import { PermanentError, RetryableError } from '../lib/errors.ts';
import { noTracing, type TracedSpan } from '../lib/tracing.ts';
import { nothingMore, type Completion } from './complete.ts';
import { judgeFailure, type TargetPolicy } from './retry-policy.ts';
import type { RunContext } from './handler-context.ts';
import { runDelivery } from './run-delivery.ts';
import type { Stop } from './stop.ts';
import { holdsKey, policyOf, timeoutOf, type Work } from './work.ts';

/** What a try is run with, and by which worker. */
export interface TryOptions extends RunContext {
  readonly name: string;
}

/** How one try ended; `thrown` is what its handler threw. */
export type Ended = Completion & { readonly thrown?: unknown };

/** The same without what the try knows of itself. */
type Outcome = Omit<Ended, 'claim' | 'worker' | 'from' | 'startedAt' | 'durationMs'>;

/**
 * Runs a delivery's handler once, within its time and in a span of the message's trace, and judges how
 * that ended. It never throws: what the handler threw is part of the outcome.
 */
export async function tryDelivery(options: TryOptions, work: Work, stop: Stop): Promise<Ended> {
  const startedAt = options.now();
  const started = performance.now();
  const outcome = await outcomeOf(options, work, stop);
  const durationMs = performance.now() - started;
  // In this order: to spread something into an object that has properties already takes ten times as long.
  return { ...outcome, claim: work.claim, worker: options.name, from: 'running', startedAt, durationMs };
}

async function outcomeOf(context: RunContext, work: Work, stop: Stop): Promise<Outcome> {
  const policy = policyOf(work);
  const timeoutMs = timeoutOf(context.handlers, work);
  // The handler's own calls end at the timeout by themselves; this ends a handler that does not listen.
  const timer = setTimeout(() => stop.stop(new Error(`no end after ${timeoutMs} ms`)), timeoutMs + 1_000);
  const span = startSpan(context, work);
  try {
    if (work.claim.attempts > policy.maxAttempts) {
      throw new PermanentError('attempts_exhausted', 'the tries are used up; the last one did not end');
    }
    const result = await stop.orStopped(runDelivery(context, work, stop, span));
    const isAwaiting = result instanceof AwaitingCallback;
    span.set({ 'postroom.awaiting': isAwaiting });
    span.end();
    return isAwaiting ? awaiting(result) : succeeded(result);
  } catch (error) {
    span.end({ error: stop.reason ? { code: 'aborted' } : error });
    const thrown = stop.reason ? new RetryableError('timeout', stop.reason.message, { cause: stop.reason }) : error;
    return failed(work, thrown, policy);
  } finally {
    clearTimeout(timer);
  }
}

function startSpan({ tracing }: RunContext, { claim, message }: Work): TracedSpan {
  const parent = message?.traceparent;
  if (!tracing) return noTracing.start('deliver', { parent });
  return tracing.start(`deliver ${claim.handler_kind}`, {
    kind: 'client',
    parent,
    attributes: {
      'postroom.delivery.id': claim.id,
      'postroom.message.id': claim.message_id,
      'postroom.target.id': claim.target_id,
      'postroom.attempt': claim.attempts,
      'postroom.replay_of': claim.replay_of,
    },
  });
}

function awaiting({ deadlineMs, onDeadline }: AwaitingCallback): Outcome {
  return { ...nothingMore, outcome: 'awaiting', delayMs: deadlineMs, onDeadline };
}

function succeeded(result: Record<string, unknown>): Outcome {
  const { status, body } = result;
  return {
    ...nothingMore,
    outcome: 'succeeded',
    result,
    statusCode: typeof status === 'number' ? status : null,
    response: typeof body === 'string' ? body.slice(0, 4_096) : null,
  };
}

function failed(work: Work, thrown: unknown, policy: TargetPolicy): Outcome {
  const { response, ...verdict } = splitResponse(judgeFailure(thrown, policy, work.claim.attempts, Math.random()));
  const status = verdict.error['status'];
  return {
    ...nothingMore,
    outcome: verdict.outcome,
    delayMs: verdict.outcome === 'retry' ? verdict.delayMs : 0,
    holdsKey: verdict.outcome === 'dead' && holdsKey(work),
    error: verdict.error,
    statusCode: typeof status === 'number' ? status : null,
    response,
    thrown,
  };
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
