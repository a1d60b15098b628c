import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import { isUnavailable } from '../db/client.ts';
import type { Database } from '../db/schema.ts';
import { messageOf } from '../lib/errors.ts';
import { createWakeup } from '../lib/wakeup.ts';
import { createBreakers, type BreakerTarget } from './breaker.ts';
import { expireAwaiting, settleCallbacks } from './callbacks.ts';
import { claimDeliveries } from './claim.ts';
import type { Position } from './find-lanes.ts';
import { forgetClaims, reapExpiredLeases, releaseClaims, renewLeases, sweepExpiredLeases } from './leases.ts';
import { createClaimNotes } from './claim-notes.ts';
import { createCompleter, type Completion, type Counted } from './complete.ts';
import { createLanes, type LaneOwner } from './lanes.ts';
import { createLookout } from './lookout.ts';
import type { OutboxObserver } from './observe.ts';
import type { RunContext } from './handler-context.ts';
import { Stop } from './stop.ts';
import { pauseGoneTarget } from './targets.ts';
import { tryDelivery } from './try-delivery.ts';
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

/** Deliveries of one claim: the larger, the longer others wait for what it takes. */
const maxClaim = 500;
/** Every ten minutes, with leases of 30 seconds. */
const beatsPerSweep = 60;

/** The loop that claims deliveries and runs them. It never claims more than it can start. */
export function createWorker(options: WorkerOptions): Worker {
  const { db, logger, name, observe } = options;
  const completer = createCompleter(db);
  const lanes = createLanes(() => performance.now());
  const breakers = createBreakers(db, logger, () => performance.now());
  const wakeup = createWakeup();
  const lookout = createLookout(options.pollMs, () => performance.now());
  const running = new Map<string, Running>();
  const notes = createClaimNotes();
  let share: Share = { workers: 1, rank: 0 };
  let position: Position = { tenant: null, targets: {} };
  let beats = 0;
  let stopping = false;
  let stopped = false;
  let idle: (() => void) | undefined;
  let loop: Promise<void> | undefined;
  let heartbeat: NodeJS.Timeout | undefined;

  async function run(): Promise<void> {
    await sweep(options.alone);
    await attempt('join the workers', noteSelf);
    while (!stopping) {
      const more = await attempt('claim deliveries', claimAndStart);
      if (more === undefined) await wakeup.sleep(1_000);
      else if (!more) await wakeup.sleep(options.pollMs);
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

  function wakeForNew(): void {
    lookout.somethingNew();
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
    const free = Math.min(options.concurrency - running.size, maxClaim);
    if (free <= 0) return false;
    const { leaseSeconds } = options;
    const load = lanes.load();
    const done = notes.done();
    const where = { position, lanes: lookout.where() };
    const claimed = await claimDeliveries(db, { worker: name, free, leaseSeconds, ...share, load, ...where, done });
    const isUnseen = lookout.looked(free, claimed);
    notes.forgotten(done);
    position = claimed.position;
    const { work, claimId } = claimed;
    if (claimId === null) return isUnseen || !claimed.isRound;
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
    return true;
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
    const { work } = entry;
    const { claim } = work;
    const startedAt = options.now();
    const started = performance.now();
    try {
      const ended = await tryDelivery(options, work, entry.stop);
      if (entry.stop.reason === shuttingDown) return;
      const durationMs = performance.now() - started;
      const { counted, callback } = await complete({
        ...ended,
        claim,
        worker: name,
        from: 'running',
        startedAt,
        durationMs,
      });
      notes.ended(entry.claimId);
      observe?.tryEnded({ work, outcome: ended.outcome, counted, durationMs, endedAt: options.now() });
      // A short delay should not wait for the next poll.
      if (ended.outcome === 'retry' && ended.delayMs < options.pollMs)
        setTimeout(wakeForNew, ended.delayMs + 1).unref();
      if (!counted) logger.warn(logFields(work), 'a late completion changed nothing: another worker has the delivery');
      else if (ended.error)
        logger.info({ ...logFields(work), outcome: ended.outcome, code: ended.error.code }, 'a delivery failed');
      // It was called back before it was awaiting that.
      if (counted && callback !== null && ended.outcome === 'awaiting')
        await settleCallbacks(db, [{ claim, callback }], observe);
      if (ended.error?.code === 'target_gone' && claim.target_id !== null) {
        await pauseGoneTarget(db, claim.tenant_id, claim.target_id);
      }
      const target = breakerTarget(work);
      const { thrown } = ended;
      if (target) await (thrown === undefined ? breakers.succeeded(target) : breakers.failed(target, thrown));
    } finally {
      running.delete(claim.id);
      if (running.size === 0) idle?.();
      if (entry.lane) lanes.end(entry.lane);
      // The next of its key has been let go, in whichever lane.
      if (claim.ordering_key !== null) lookout.somethingNew();
      wakeup.wake();
    }
  }

  /** While the database is away the lease is nobody else's either: the end is told when it is back. */
  async function complete(completion: Completion): Promise<Counted> {
    const until = performance.now() + options.leaseSeconds * 1_000;
    for (;;) {
      try {
        return await completer.add(completion);
      } catch (error) {
        if (stopped || !isUnavailable(error) || performance.now() > until) throw error;
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
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
      await attempt('forget what was claimed', () => forgetClaims(db, notes.done()));
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
