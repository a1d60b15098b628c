import { sql, type Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { messageOf } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { createWakeup } from '../lib/wakeup.ts';
import { isBusy, type Chore, type RetentionDays } from './chore.ts';
import { deleteOldDeliveries, deleteOldJobs, revisitDeliveries } from './deliveries.ts';
import { deleteDefaultEvents, deleteOldRejections, dropOldPartitions, makePartitions } from './events.ts';
import { blankPayloads, deleteLedger, revisitMessages } from './messages.ts';

export interface RetentionOptions {
  readonly db: Kysely<Database>;
  readonly logger: Logger;
  readonly days: RetentionDays;
  /** What time it is; see `earlierClock`. */
  readonly clock: () => Promise<Date>;
}

/** How retention stands, as this process has seen it. */
export interface RetentionStatus {
  /** For how long the oldest of what should be gone should have been; 0: nothing is late. */
  readonly lagSeconds: number;
  /** When the last round ended, whether all of it went well or not; null: none has yet. */
  readonly lastRunAt: Date | null;
  /** What went wrong in the last round, by chore; null: nothing. */
  readonly error: string | null;
}

export interface Retention {
  /** Makes the partitions that are needed now, then goes its rounds. */
  start(): Promise<void>;
  /** One round now, or the one under way; resolves when it has ended. */
  runRound(): Promise<void>;
  retentionStatus(): RetentionStatus;
  /** Resolves when the batch under way is committed. */
  stop(): Promise<void>;
}

/** A start is busy enough without it. */
const firstRoundMs = 30_000;
const roundMs = 10 * 60_000;
/** Where there is more to do. */
const behindMs = 1_000;
/** Where somebody was in the way: whoever asks for a lock makes others wait, so not at once. */
const busyMs = 60_000;
/** Bites of one chore in a round, of 500 rows each, so that every chore gets its turn. */
const bitesPerRound = 200;
/** Between two bites; at least as long as the last one took, so that half of the time is others'. */
const leastPauseMs = 20;

type RoundEnd = 'done' | 'behind' | 'busy';

/** The loop that makes partitions ahead and lets go of what is old, in small steps. */
export function createRetention({ db, logger, days, clock }: RetentionOptions): Retention {
  const ahead = makePartitions();
  const chores: readonly Chore[] = [
    ahead,
    dropOldPartitions(days),
    deleteDefaultEvents(days),
    deleteOldRejections(days),
    blankPayloads(days),
    deleteOldDeliveries(days),
    revisitDeliveries(days),
    deleteLedger(days),
    revisitMessages(days),
    deleteOldJobs(days),
  ];
  const resting = createWakeup();
  const pausing = createWakeup();
  /** By chore: since when the oldest that is left has been due. */
  const dueAt = new Map<string, Date>();
  const errors = new Map<string, string>();
  let lastRunAt: Date | null = null;
  let lastClock = new Date(0);
  let stopping = false;
  let round: Promise<RoundEnd> | undefined;
  let loop: Promise<void> | undefined;

  async function goRound(): Promise<RoundEnd> {
    let end: RoundEnd = 'done';
    try {
      lastClock = await clock();
      errors.delete('clock');
    } catch (error) {
      note('clock', error);
      return 'busy';
    }
    for (const chore of chores) {
      if (stopping) return end;
      const ended = await work(chore, lastClock);
      if (ended === 'busy' || (ended === 'behind' && end === 'done')) end = ended;
    }
    lastRunAt = new Date();
    return end;
  }

  /** Bite after bite, until nothing is left, or the chore has had its share. */
  async function work(chore: Chore, now: Date): Promise<RoundEnd> {
    try {
      for (let bites = 0; bites < bitesPerRound; bites += 1) {
        const started = performance.now();
        const bite = await chore.bite(db, now);
        errors.delete(chore.name);
        if (!bite) return 'busy';
        if (bite.dueAt) dueAt.set(chore.name, bite.dueAt);
        else dueAt.delete(chore.name);
        if (bite.busy) return 'busy';
        if (bite.done === 0 || stopping) return 'done';
        await pausing.sleep(Math.max(leastPauseMs, performance.now() - started));
      }
      return 'behind';
    } catch (error) {
      if (!dueAt.has(chore.name)) dueAt.set(chore.name, now);
      if (!isBusy(error)) note(chore.name, error);
      return 'busy';
    }
  }

  function note(name: string, error: unknown): void {
    errors.set(name, messageOf(error));
    logger.warn({ chore: name, error: messageOf(error) }, 'retention could not do its work; trying again');
  }

  async function runRound(): Promise<RoundEnd> {
    round ??= goRound().finally(() => {
      round = undefined;
    });
    return await round;
  }

  async function run(): Promise<void> {
    await resting.sleep(firstRoundMs);
    while (!stopping) {
      const end = await runRound();
      if (!stopping) await resting.sleep({ done: roundMs, behind: behindMs, busy: busyMs }[end]);
    }
  }

  return {
    async start() {
      await work(ahead, await clock().catch(() => new Date()));
      loop = run();
    },
    async runRound() {
      await runRound();
    },
    retentionStatus() {
      const oldest = Math.min(...[...dueAt.values()].map((due) => due.getTime()));
      const since = lastRunAt ? Date.now() - lastRunAt.getTime() : 0;
      const lagMs = Number.isFinite(oldest) ? lastClock.getTime() - oldest + since : Math.max(0, since - 2 * roundMs);
      const error = [...errors].map(([name, text]) => `${name}: ${text}`).join('; ');
      return { lagSeconds: Math.max(0, Math.round(lagMs / 1_000)), lastRunAt, error: error === '' ? null : error };
    },
    async stop() {
      stopping = true;
      resting.wake();
      pausing.wake();
      await loop;
      await round;
    },
  };
}

/**
 * The earlier of the database's clock and this process's: what one that has jumped ahead lets go of
 * does not come back.
 */
export async function earlierClock(db: Kysely<Database>, now: Date): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`select now() as now`.execute(db);
  const theirs = rows[0]?.now ?? now;
  return theirs < now ? theirs : now;
}
