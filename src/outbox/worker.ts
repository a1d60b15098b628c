import PQueue from 'p-queue';
import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { messageOf, PermanentError, RetryableError } from '../lib/errors.ts';
import { createWakeup } from '../lib/wakeup.ts';
import { claimDeliveries, holdClaims, reapExpiredLeases, releaseClaims, renewLeases, type Claim } from './claim.ts';
import { createCompleter, type Completion } from './complete.ts';
import { judgeFailure } from './retry-policy.ts';
import { loadWork, policyOf, runDelivery, timeoutOf, type RunContext, type Work } from './run-delivery.ts';
import { pauseGoneTarget } from './targets.ts';

export interface WorkerOptions extends RunContext {
  readonly db: Kysely<Database>;
  /** Names this worker in leases and attempts. */
  readonly name: string;
  readonly concurrency: number;
  readonly leaseSeconds: number;
  /** How long to sleep when nothing is due: the net under the wake-ups. */
  readonly pollMs: number;
  /** No other process works on this database, so whatever runs at the start was orphaned. */
  readonly alone: boolean;
}

export interface Worker {
  start(): void;
  /** There may be something due. */
  wake(): void;
  /** Claims nothing more, lets what runs finish for so long, then gives up and releases the rest. */
  stop(graceMs: number): Promise<void>;
}

interface Running {
  readonly claim: Claim;
  readonly abort: AbortController;
  started: boolean;
}

/** The loop that claims deliveries and runs them. It never claims more than it can start. */
export function createWorker(options: WorkerOptions): Worker {
  const { db, logger, name } = options;
  const queue = new PQueue({ concurrency: options.concurrency });
  const completer = createCompleter(db);
  const wakeup = createWakeup();
  const running = new Map<string, Running>();
  let stopping = false;
  let stopped = false;
  let loop: Promise<void> | undefined;
  let heartbeat: NodeJS.Timeout | undefined;

  async function run(): Promise<void> {
    if (options.alone) await attempt('take back orphaned deliveries', () => reapExpiredLeases(db, true));
    while (!stopping) {
      const claimed = await attempt('claim deliveries', claimAndStart);
      if (claimed === undefined) await wakeup.sleep(1_000);
      else if (claimed === 0) await wakeup.sleep(options.pollMs);
    }
  }

  /** Something against the database; a failure is logged and waited out, never fatal. */
  async function attempt<T>(what: string, action: () => Promise<T>): Promise<T | undefined> {
    try {
      return await action();
    } catch (error) {
      logger.warn({ error: messageOf(error) }, `could not ${what}; trying again`);
      return undefined;
    }
  }

  async function claimAndStart(): Promise<number> {
    const free = Math.min(options.concurrency - queue.pending - queue.size, 500);
    if (free <= 0) return 0;
    const claims = await claimDeliveries(db, name, free, options.leaseSeconds);
    if (claims.length === 0) return 0;
    let work: Work[];
    try {
      work = await loadWork(db, claims);
    } catch (error) {
      await releaseClaims(db, claims).catch(() => {});
      throw error;
    }
    const paused = work.filter(({ target }) => target?.status === 'paused');
    await holdClaims(
      db,
      paused.map(({ claim }) => claim),
    );
    for (const item of work) {
      if (item.target?.status === 'paused') continue;
      const entry: Running = { claim: item.claim, abort: new AbortController(), started: false };
      running.set(item.claim.id, entry);
      void queue
        .add(() => runOne(item, entry))
        .catch((error: unknown) => {
          logger.error(
            { deliveryId: item.claim.id, error: messageOf(error) },
            'a delivery could not be completed; its lease will end',
          );
        });
    }
    return claims.length;
  }

  async function runOne(work: Work, entry: Running): Promise<void> {
    entry.started = true;
    const { claim } = work;
    const startedAt = options.now();
    const started = performance.now();
    try {
      const ended = await judge(work, entry.abort);
      if (stopping && entry.abort.signal.aborted) return;
      const durationMs = performance.now() - started;
      const counted = await completer.add({ claim, worker: name, startedAt, durationMs, ...ended });
      // A short delay should not wait for the next poll.
      if (ended.outcome === 'retry' && ended.delayMs < options.pollMs)
        setTimeout(wakeup.wake, ended.delayMs + 1).unref();
      const fields = { deliveryId: claim.id, messageId: claim.message_id, attempt: claim.attempts };
      if (!counted) logger.warn(fields, 'a late completion changed nothing: another worker has the delivery');
      else if (ended.outcome !== 'succeeded')
        logger.info({ ...fields, outcome: ended.outcome, code: ended.error?.code }, 'a delivery failed');
      if (ended.error?.code === 'target_gone' && claim.target_id !== null) {
        await pauseGoneTarget(db, claim.tenant_id, claim.target_id);
      }
    } finally {
      running.delete(claim.id);
      wakeup.wake();
    }
  }

  type Ended = Pick<Completion, 'outcome' | 'delayMs' | 'result' | 'error' | 'statusCode' | 'response'>;

  async function judge(work: Work, abort: AbortController): Promise<Ended> {
    const policy = policyOf(work);
    const timeoutMs = timeoutOf(options, work);
    // The handler's own calls end at the timeout by themselves; this ends a handler that does not listen.
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(new Error(`no end after ${timeoutMs} ms`)), timeoutMs + 1_000);
    const signal = AbortSignal.any([abort.signal, timeout.signal]);
    try {
      if (work.claim.attempts > policy.maxAttempts) {
        throw new PermanentError('attempts_exhausted', 'the tries are used up; the last one did not end');
      }
      const result = await Promise.race([runDelivery(options, work, signal), rejectOn(signal)]);
      const { status, body } = result as { status?: unknown; body?: unknown };
      return {
        outcome: 'succeeded',
        delayMs: 0,
        result,
        error: null,
        statusCode: typeof status === 'number' ? status : null,
        response: typeof body === 'string' ? body.slice(0, 4_096) : null,
      };
    } catch (error) {
      const { response, ...verdict } = splitResponse(judgeFailure(error, policy, work.claim.attempts, Math.random()));
      const status = verdict.error['status'];
      return {
        outcome: verdict.outcome,
        delayMs: verdict.outcome === 'retry' ? verdict.delayMs : 0,
        result: null,
        error: verdict.error,
        statusCode: typeof status === 'number' ? status : null,
        response,
      };
    } finally {
      clearTimeout(timer);
    }
  }

  async function beat(): Promise<void> {
    const entries = [...running.values()];
    await attempt('renew leases', async () => {
      const ours = await renewLeases(
        db,
        name,
        entries.map(({ claim }) => claim),
        options.leaseSeconds,
      );
      for (const entry of entries) {
        // Lost to another worker while it still ran: its outcome would not be heard any more.
        if (!ours.has(entry.claim.id) && running.get(entry.claim.id) === entry)
          entry.abort.abort(new Error('lease lost'));
      }
    });
    const reaped = await attempt('take back deliveries of lost workers', () => reapExpiredLeases(db));
    if (reaped) {
      logger.warn({ deliveries: reaped }, 'took back deliveries of lost workers');
      wakeup.wake();
    }
  }

  function scheduleBeat(): void {
    heartbeat = setTimeout(
      // Also while it stops: what may finish must not lose its lease meanwhile.
      () => void beat().finally(() => stopped || scheduleBeat()),
      (options.leaseSeconds * 1000) / 3,
    );
  }

  return {
    start() {
      loop = run();
      scheduleBeat();
    },
    wake: () => wakeup.wake(),
    async stop(graceMs) {
      stopping = true;
      wakeup.wake();
      await loop;
      const unstarted = [...running.values()].filter((entry) => !entry.started);
      queue.clear();
      const finished = await Promise.race([
        queue.onIdle().then(() => true),
        new Promise<false>((resolve) => setTimeout(() => resolve(false), graceMs).unref()),
      ]);
      stopped = true;
      clearTimeout(heartbeat);
      const rest = finished ? unstarted : [...running.values()];
      for (const { abort } of rest) abort.abort(new Error('shutting down'));
      await attempt('release deliveries', () =>
        releaseClaims(
          db,
          rest.map(({ claim }) => claim),
        ),
      );
      await completer.drain();
    },
  };
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
