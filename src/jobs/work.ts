import type { Transaction } from 'kysely';
import type { Database } from '../db/schema.ts';
import type { ReparseContext } from '../inbox/reparse.ts';
import type { OrderOf } from '../routing/store-decisions.ts';
import type { Job } from './job.ts';

/** What the kinds of jobs work with. */
export interface WorkContext extends ReparseContext {
  readonly orderOf: OrderOf;
}

/** What became of one batch. */
export interface Batch {
  /** The last row that was looked at; null: there was none. */
  readonly position: string | null;
  /** How many rows were looked at. */
  readonly done: number;
  readonly changed: number;
  /** Those that should have been changed and could not be. */
  readonly skipped: number;
  /** Nothing follows. */
  readonly isLast: boolean;
  /** Whom to wake after the commit. */
  readonly made: 'messages' | 'deliveries' | null;
}

/** What one kind of job does. */
export interface Work {
  /** Rows at a time, so that a batch is committed within a second. */
  readonly batchSize: number;
  /**
   * Does the rows that follow `job.position`, in the transaction that also notes how far it has come:
   * so a job that is taken over does nothing twice, and leaves nothing out.
   */
  runBatch(trx: Transaction<Database>, job: Job, limit: number, context: WorkContext): Promise<Batch>;
}
