import { sql, type Kysely, type Transaction } from 'kysely';
import { retentionLock } from '../db/locks.ts';
import type { Database } from '../db/schema.ts';
import { codeOf } from '../lib/errors.ts';

/** How many days what is kept; 0: for ever. */
export interface RetentionDays {
  /** Events, and refusals. */
  readonly events: number;
  /** What a message says: text, attachments, metadata. */
  readonly payloads: number;
  /** Messages themselves: who wrote when, and what a repeated one is known by. */
  readonly ledger: number;
  /** Deliveries that have ended, with their attempts, and jobs. */
  readonly deliveries: number;
}

/** What one bite of a chore did. */
export interface Bite {
  /** Rows, or partitions. As long as it is not 0 there may be more. */
  readonly done: number;
  /** When the oldest of what was still there at the beginning was due; null: nothing was. */
  readonly dueAt: Date | null;
  /** A lock could not be had in time, and nothing was changed. */
  readonly busy?: true;
}

/** Something that retention does over and over. */
export interface Chore {
  readonly name: string;
  /** Does the next bit, in short transactions. Undefined: another process is at it. */
  bite(db: Kysely<Database>, now: Date): Promise<Bite | undefined>;
}

/** Rows of one transaction: some 20 ms, so that nothing waits long for what it locks. */
export const batchRows = 500;

export const nothingDue: Bite = { done: 0, dueAt: null };
export const dayMs = 86_400_000;
/** What had not ended when it was due stays for so long after its end, so that it can be replayed. */
export const graceMs = 7 * dayMs;

/** The moment before which things are over; null where they are kept for ever. */
export function cutoffOf(now: Date, days: number): Date | null {
  return days === 0 ? null : new Date(now.getTime() - days * dayMs);
}

/**
 * A transaction that belongs to one process at a time and gives up soon where it would have to wait:
 * whoever asks for a table after it would wait behind it.
 *
 * @returns undefined where another process has the lock; nothing was done.
 */
export async function underLock<T>(
  db: Kysely<Database>,
  action: (trx: Transaction<Database>) => Promise<T>,
): Promise<T | undefined> {
  return await db.transaction().execute(async (trx) => {
    const { rows } = await sql<{ mine: boolean }>`
      select set_config('lock_timeout', '100ms', true), pg_try_advisory_xact_lock(${retentionLock}::bigint) as mine
    `.execute(trx);
    return rows[0]?.mine ? await action(trx) : undefined;
  });
}

/** Whether it only failed because somebody else was in the way: a lock, a deadlock, a time limit. */
export function isBusy(error: unknown): boolean {
  return ['55P03', '40P01', '40001', '57014'].includes(codeOf(error) ?? '');
}

/** What is done of something that is due; where somebody was in the way, that it is still due. */
export async function biteOf(dueAt: Date, action: () => Promise<number | undefined>): Promise<Bite | undefined> {
  try {
    const done = await action();
    return done === undefined ? undefined : { done, dueAt };
  } catch (error) {
    if (!isBusy(error)) throw error;
    return { done: 0, dueAt, busy: true };
  }
}
