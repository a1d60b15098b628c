import { AwaitingCallback, type Handler, type HandlerContext, type TargetAnswer } from '../handler.ts';
import { PermanentError } from '../lib/errors.ts';
import { withFields, type Logger } from '../lib/logger.ts';
import type { SafeFetch } from '../lib/safe-fetch.ts';
import type { Sealer } from '../lib/sealing.ts';
import type { TracedSpan, Tracing } from '../lib/tracing.ts';
import { callbackToken } from './callback-token.ts';
import { postToTarget } from './post-to-target.ts';
import type { Stop } from './stop.ts';
import { openTargetSecrets } from './targets.ts';
import { logFields, timeoutOf, type Work } from './work.ts';

const longestWaitMs = 30 * 86_400_000;

/** What a worker runs handlers with. */
export interface RunContext {
  readonly handlers: ReadonlyMap<string, Handler>;
  readonly safeFetch: SafeFetch;
  readonly sealer: Sealer;
  readonly logger: Logger;
  readonly now: () => Date;
  /** Where targets call back: the public URL, without a slash at the end. */
  readonly callbackBase: string;
  readonly tracing?: Tracing;
}

/** What one try gives its handler. A class, as `Stop` is; what handlers call works without it too. */
export class TryContext implements HandlerContext {
  readonly #context: RunContext;
  readonly #work: Work;
  readonly #stop: Stop;
  readonly #span: TracedSpan;

  constructor(context: RunContext, work: Work, stop: Stop, span: TracedSpan) {
    this.#context = context;
    this.#work = work;
    this.#stop = stop;
    this.#span = span;
  }

  get idempotencyKey(): string {
    return this.#work.claim.id;
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  get log(): Logger {
    return withFields(this.#context.logger, logFields(this.#work));
  }

  get callbackUrl(): HandlerContext['callbackUrl'] {
    const { callbackBase, sealer } = this.#context;
    return () => `${callbackBase}/callbacks/${callbackToken(sealer, this.#work.claim)}`;
  }

  get awaitCallback(): HandlerContext['awaitCallback'] {
    return ({ deadlineMs, onDeadline = 'retry' }) =>
      new AwaitingCallback(Math.min(Math.max(deadlineMs, 0), longestWaitMs), onDeadline);
  }

  get deliver(): HandlerContext['deliver'] {
    return (body) => this.#deliver(body);
  }

  async #deliver({ type, data }: Parameters<HandlerContext['deliver']>[0]): Promise<TargetAnswer> {
    const { safeFetch, sealer, handlers, now } = this.#context;
    const { claim, target } = this.#work;
    if (!target) throw new PermanentError('no_target', 'the route has no target');
    const call = {
      url: target.url,
      secrets: openTargetSecrets(sealer, claim.tenant_id, target.id, target.secrets, now()),
      id: claim.id,
      // The time of the message's booking, so that the body is the same at every try but for the attempt.
      body: JSON.stringify({ type, timestamp: claim.created_at.toISOString(), data }),
      timeoutMs: timeoutOf(handlers, this.#work),
      signal: this.#stop.signal,
      traceparent: this.#span.traceparent,
    };
    let status: unknown;
    try {
      const answer: TargetAnswer = await postToTarget(safeFetch, call, now);
      ({ status } = answer);
      return answer;
    } catch (error) {
      ({ status } = (error as { details?: { status?: unknown } }).details ?? {});
      throw error;
    } finally {
      if (typeof status === 'number') this.#span.set({ 'http.response.status_code': status });
    }
  }
}
