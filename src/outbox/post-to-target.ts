import { messageOf, PermanentError, RetryableError } from '../lib/errors.ts';
import type { SafeFetch } from '../lib/safe-fetch.ts';
import { webhookHeaders } from '../lib/standard-webhooks.ts';
import type { TargetAnswer } from '../handler.ts';
import { parseRetryAfter } from './retry-policy.ts';

/** What is kept of a target's answer. */
const maxAnswerBytes = 16 * 1024;

export interface TargetCall {
  readonly url: string;
  readonly secrets: readonly string[];
  /** The stable id of what is sent: the same at every try. */
  readonly id: string;
  readonly body: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** W3C Trace Context, so that the target's own spans join the trace; null: not traced. */
  readonly traceparent: string | null;
}

/**
 * Posts a signed body to a target and judges the answer. 2xx is success; 408, 425, 429, 3xx and 5xx
 * are tried again, with Retry-After honoured; 410 and the other 4xx are final.
 *
 * @throws RetryableError or PermanentError, with `status` and `response` in its details.
 */
export async function postToTarget(safeFetch: SafeFetch, call: TargetCall, now: () => Date): Promise<TargetAnswer> {
  const timestamp = Math.floor(now().getTime() / 1000);
  const response = await safeFetch
    .fetch(call.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Postroom/1 (+https://www.standardwebhooks.com)',
        ...(call.traceparent === null ? {} : { traceparent: call.traceparent }),
        ...webhookHeaders(call.secrets, call.id, timestamp, call.body),
      },
      body: call.body,
      signal: call.signal,
      timeoutMs: call.timeoutMs,
      maxResponseBytes: maxAnswerBytes,
    })
    .catch((error: unknown) => {
      throw fromOutbound(error);
    });
  const body = new TextDecoder().decode(response.body);
  const { status } = response;
  if (status >= 200 && status < 300) return { status, body };

  const details = { status, response: body };
  if (status === 410) throw new PermanentError('target_gone', 'the target answered 410 Gone', { details });
  const isTriedAgain = status < 400 || status >= 500 || status === 408 || status === 425 || status === 429;
  if (!isTriedAgain) throw new PermanentError('target_refused', `the target answered ${status}`, { details });
  const retryAfterMs = parseRetryAfter(response.headers.get('retry-after'), now());
  throw new RetryableError('target_failed', `the target answered ${status}`, {
    details,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

function fromOutbound(error: unknown): RetryableError | PermanentError {
  const { code, retryable } = error as { code?: unknown; retryable?: unknown };
  const word = typeof code === 'string' ? code : 'connection_failed';
  return retryable === false
    ? new PermanentError(word, messageOf(error), { cause: error })
    : new RetryableError(word, messageOf(error), { cause: error });
}
