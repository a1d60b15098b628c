import { z } from 'zod';
import { PermanentError, RetryableError } from '../lib/errors.ts';

/**
 * How a target is tried. The defaults try 18 times within 59 hours at most (29 on average, because
 * of the jitter): 5 s doubling up to 12 h.
 */
export const targetPolicy = z.strictObject({
  timeoutMs: z.int().min(100).max(300_000).default(30_000).describe('How long one try may take, in milliseconds.'),
  maxAttempts: z.int().min(1).max(100).default(18).describe('Tries before a delivery is dead.'),
  backoffBaseMs: z
    .int()
    .min(1)
    .max(3_600_000)
    .default(5_000)
    .describe('Upper bound of the first delay, doubled each time.'),
  backoffCapMs: z.int().min(1).max(604_800_000).default(43_200_000).describe('Upper bound of any delay.'),
  concurrency: z.int().min(1).max(1_000).default(16).describe('Deliveries that run at once, over all processes.'),
  ratePerSecond: z
    .number()
    .positive()
    .max(10_000)
    .nullable()
    .default(null)
    .describe('Deliveries that are started in a second, over all processes; null: any number.'),
  breaker: z
    .strictObject({
      failures: z
        .int()
        .min(1)
        .max(1_000)
        .default(20)
        .describe('So many failures within the window open it, if they are at least half of the tries.'),
      windowSeconds: z.int().min(1).max(3_600).default(60),
      cooldownSeconds: z
        .number()
        .min(0.05)
        .max(86_400)
        .default(30)
        .describe('Until the first probe; doubled each time.'),
      maxCooldownSeconds: z.number().min(0.05).max(86_400).default(3_600),
      disableAfterSeconds: z
        .number()
        .min(1)
        .max(31_536_000)
        .default(432_000)
        .describe('A target that fails for so long, 5 days, is paused.'),
    })
    .prefault({})
    .describe('When a target that keeps failing is left alone for a while.'),
});
export type TargetPolicy = z.infer<typeof targetPolicy>;

/** A target's own wish (Retry-After) is honoured up to a day. */
const longestWishMs = 86_400_000;

/**
 * The delay before the next try: exponential backoff with full jitter, at least what the target
 * asked for. Full jitter spreads the retries of many deliveries that failed together.
 *
 * @param attempts how many tries there were, 1 after the first.
 * @param random a number in [0, 1).
 * @returns milliseconds.
 */
export function retryDelayMs(
  policy: TargetPolicy,
  attempts: number,
  wishMs: number | undefined,
  random: number,
): number {
  const bound = Math.min(policy.backoffCapMs, policy.backoffBaseMs * 2 ** Math.min(attempts - 1, 50));
  return Math.max(Math.round(random * bound), Math.min(wishMs ?? 0, longestWishMs));
}

export type Verdict =
  | { readonly outcome: 'retry'; readonly delayMs: number; readonly error: FailureRecord }
  | { readonly outcome: 'dead'; readonly error: FailureRecord };

/** A failure as it is stored with the delivery and its attempt. */
export interface FailureRecord {
  readonly code: string;
  readonly message: string;
  readonly [detail: string]: unknown;
}

/** What follows from a run that threw: another try, or the end. */
export function judgeFailure(error: unknown, policy: TargetPolicy, attempts: number, random: number): Verdict {
  const record = describeFailure(error);
  if (error instanceof PermanentError) return { outcome: 'dead', error: record };
  if (attempts >= policy.maxAttempts) {
    return { outcome: 'dead', error: { ...record, exhausted: true, attempts } };
  }
  const wishMs = error instanceof RetryableError ? error.retryAfterMs : undefined;
  return { outcome: 'retry', delayMs: retryDelayMs(policy, attempts, wishMs, random), error: record };
}

function describeFailure(error: unknown): FailureRecord {
  if (error instanceof RetryableError || error instanceof PermanentError) {
    return { code: error.code, message: error.message, ...error.details };
  }
  // Anything else that a handler threw; retryable, because a fault of ours must not lose a message.
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'handler_error', message: message.slice(0, 2_000) };
}

/** Retry-After as delta seconds or as a date, in milliseconds from now; undefined where it is neither. */
export function parseRetryAfter(value: string | null | undefined, now: Date): number | undefined {
  if (value === null || value === undefined) return undefined;
  const text = value.trim();
  if (/^[0-9]{1,10}$/.test(text)) return Number(text) * 1000;
  // An HTTP date ends in GMT; Date.parse alone takes much else for a date.
  const date = text.endsWith('GMT') ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now.getTime());
}
