import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { messageOf } from '../lib/errors.ts';
import { createWakeup } from '../lib/wakeup.ts';
import { createBreakers, type BreakerTarget } from './breaker.ts';
import { expireAwaiting, settleCallbacks } from './callbacks.ts';
import { createClaimer, maxClaim } from './claimer.ts';
import { forgetClaims, reapExpiredLeases, releaseClaims, renewLeases, sweepExpiredLeases } from './leases.ts';
import { createClaimNotes } from './claim-notes.ts';
import { createCompleter, type Counted } from './complete.ts';
import { createLanes, type LaneOwner } from './lanes.ts';
import type { OutboxObserver } from './observe.ts';
import type { RunContext } from './handler-context.ts';
import { Stop } from './stop.ts';
import { pauseGoneTarget } from './targets.ts';
import { tryDelivery, type Ended } from './try-delivery.ts';
import { logFields, policyOf, type Work } from './work.ts';
import { leaveWorkers, noteWorker, type Share } from './workers.ts';

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
  readonly observe?: OutboxObserver;
}

export interface Worker {
  start(): void;
  /** There may be something due. */
  wake(): void;
  /** Claims nothing more, lets what runs finish for so long, then gives up and releases the rest. */
  stop(graceMs: number): Promise<void>;
}

interface Running {
  readonly work: Work;
  readonly claimId: string;
  readonly lane: LaneOwner | undefined;
  readonly stop: Stop;
}

/** Every ten minutes, with leases of 30 seconds. */
const beatsPerSweep = 60;

/** The loop that claims deliveries and runs them. It never claims more than it can start. */
export function createWorker(options: WorkerOptions): Worker {
  const { db, logger, name, observe } = options;
  const completer = createCompleter(db, { ms: options.leaseSeconds * 1_000, isOver: () => stopped });
  const lanes = createLanes(() => performance.now());
  const notes = createClaimNotes();
  const claimer = createClaimer({ ...options, lanes, notes });
  const breakers = createBreakers(db, logger, () => performance.now());
  const wakeup = createWakeup();
  const running = new Map<string, Running>();
  let share: Share = { workers: 1, rank: 0 };
  let beats = 0;
  let stopping = false;
  let stopped = false;
  let idle: (() => void) | undefined;
  let loop: Promise<void> | undefined;
  let heartbeat: NodeJS.Timeout | undefined;

  async function run(): Promise<void> {
    await sweep(options.alone);
    await attempt('join the workers', noteSelf);
    const claim = (): Promise<boolean | undefined> => attempt('claim deliveries', claimAndStart);
    let next: Promise<boolean | undefined> | undefined;
    while (!stopping) {
      const current = next ?? claim();
      next = claimer.mayClaimBeside(places()) ? claim() : undefined;
      const more = await current;
      if (next !== undefined) continue;
      if (more === undefined) await wakeup.sleep(1_000);
      else if (!more) await wakeup.sleep(options.pollMs);
    }
    await next;
  }

  /** Places that neither run something nor are asked for by a claim under way. */
  function places(): number {
    return options.concurrency - running.size - claimer.asked;
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

  function wakeForNew(): void {
    claimer.somethingNew();
    wakeup.wake();
  }

  async function sweep(all: boolean): Promise<void> {
    const orphaned = await attempt('take back orphaned deliveries', () => sweepExpiredLeases(db, all));
    if (orphaned) observe?.leasesTakenBack(orphaned);
  }

  async function noteSelf(): Promise<void> {
    share = await noteWorker(db, name, options.leaseSeconds);
    lanes.share(share.workers);
  }

  /** Resolves to whether there may be more to claim at once. */
  async function claimAndStart(): Promise<boolean> {
    const free = places();
    if (free <= 0) return false;
    const { work, claimId, more } = await claimer.claim(free, share);
    if (claimId === null) return more;
    const entries = work.map((item): Running => ({ work: item, claimId, lane: laneOf(item), stop: new Stop() }));
    notes.claimed(claimId, work.length);
    observe?.claimed(work.length);
    for (const entry of entries) {
      running.set(entry.work.claim.id, entry);
      if (entry.lane) lanes.start(entry.lane);
    }
    const startAll = (): void => entries.forEach(start);
    // Where there is surely more, the next claim is on its way to the database before these take the processor.
    if (work.length === maxClaim) setImmediate(startAll);
    else startAll();
    return more;
  }

  function start(entry: Running): void {
    // It was given back meanwhile.
    if (stopped) return;
    runOne(entry).catch((error: unknown) => {
      notes.lost(entry.claimId);
      const fields = { ...logFields(entry.work), error: messageOf(error) };
      logger.error(fields, 'a delivery could not be completed; its lease will end');
    });
  }

  async function runOne(entry: Running): Promise<void> {
    const { claim } = entry.work;
    try {
      const ended = await tryDelivery(options, entry.work, entry.stop);
      if (entry.stop.reason === shuttingDown) return;
      const counted = await completer.add(ended);
      notes.ended(entry.claimId);
      await followUp(entry.work, ended, counted);
    } finally {
      running.delete(claim.id);
      if (running.size === 0) idle?.();
      if (entry.lane) lanes.end(entry.lane);
      // The next of its key has been let go, in whichever lane.
      if (claim.ordering_key !== null) claimer.somethingNew();
      wakeup.wake();
    }
  }

  /** What follows from a try that has ended, beside its completion. */
  async function followUp(work: Work, ended: Ended, { counted, callback }: Counted): Promise<void> {
    const { claim, outcome, durationMs, delayMs, error, thrown } = ended;
    observe?.tryEnded({ work, outcome, counted, durationMs, endedAt: options.now() });
    // A short delay should not wait for the next poll.
    if (outcome === 'retry' && delayMs < options.pollMs) setTimeout(wakeForNew, delayMs + 1).unref();
    if (!counted) logger.warn(logFields(work), 'a late completion changed nothing: another worker has the delivery');
    else if (error) logger.info({ ...logFields(work), outcome, code: error.code }, 'a delivery failed');
    // It was called back before it was awaiting that.
    if (counted && callback !== null && outcome === 'awaiting')
      await settleCallbacks(db, [{ claim, callback }], observe);
    if (error?.code === 'target_gone' && claim.target_id !== null) {
      await pauseGoneTarget(db, claim.tenant_id, claim.target_id);
    }
    const target = breakerTarget(work);
    if (target) await (thrown === undefined ? breakers.succeeded(target) : breakers.failed(target, thrown));
  }

  async function beat(): Promise<void> {
    beats += 1;
    if (beats % beatsPerSweep === 0) await sweep(false);
    const entries = [...running.values()];
    await attempt('renew leases', async () => {
      const ours = await renewLeases(
        db,
        name,
        entries.map(({ work }) => work.claim),
        options.leaseSeconds,
      );
      for (const entry of entries) {
        // Lost to another worker while it still ran: its outcome would not be heard any more.
        const { id } = entry.work.claim;
        if (!ours.has(id) && running.get(id) === entry) entry.stop.stop(new Error('lease lost'));
      }
    });
    await attempt('note who works', noteSelf);
    const late = await attempt('end what was not called back in time', () => expireAwaiting(db, observe));
    if (late) wakeForNew();
    const reaped = await attempt('take back deliveries of lost workers', () => reapExpiredLeases(db));
    if (reaped) {
      observe?.leasesTakenBack(reaped);
      logger.warn({ deliveries: reaped }, 'took back deliveries of lost workers');
      wakeForNew();
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
    wake: wakeForNew,
    async stop(graceMs) {
      stopping = true;
      wakeup.wake();
      await loop;
      const ended = new Promise<void>((resolve) => (idle = resolve));
      if (running.size > 0) await Promise.race([ended, sleep(graceMs, undefined, { ref: false })]);
      stopped = true;
      clearTimeout(heartbeat);
      const rest = [...running.values()];
      for (const { stop } of rest) stop.stop(shuttingDown);
      await attempt('release deliveries', () =>
        releaseClaims(
          db,
          rest.map(({ work }) => work.claim),
        ),
      );
      await completer.drain();
      await attempt('forget what was claimed', () => forgetClaims(db, notes.takeDone()));
      await attempt('leave the workers', () => leaveWorkers(db, name));
    },
  };
}

/** Why a run is given up at a stop: its end is not told, its delivery is given back. */
const shuttingDown = new Error('shutting down');

function laneOf({ claim, target }: Work): LaneOwner | undefined {
  if (claim.target_id === null) return undefined;
  const ratePerSecond = target ? policyOf({ target }).ratePerSecond : null;
  return { tenantId: claim.tenant_id, targetId: claim.target_id, ratePerSecond };
}

function breakerTarget(work: Work): BreakerTarget | undefined {
  const { target } = work;
  if (!target) return undefined;
  return {
    tenantId: target.tenant_id,
    id: target.id,
    name: target.name,
    state: target.breaker,
    policy: policyOf(work),
  };
}
