import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { messageOf } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { createLoop, type Loop } from '../lib/loop.ts';
import { claimJob, msUntilDue, noteFailure, runBatch, type ClaimedJob } from './run-batch.ts';
import type { Batch, WorkContext } from './work.ts';

export interface JobRunnerOptions extends WorkContext {
  readonly db: Kysely<Database>;
  readonly logger: Logger;
  /** Names this process in leases. */
  readonly name: string;
  readonly leaseSeconds: number;
  /** How long to sleep when nothing is due: the net under the wake-ups. */
  readonly pollMs: number;
  /** Called after each commit that made or freed deliveries. */
  readonly onDeliveries: () => void;
  /** Called after each commit that brought messages. */
  readonly onMessages: () => void;
}

/** The loop that does jobs, a batch at a time. */
export function createJobRunner(options: JobRunnerOptions): Loop {
  const { db, logger, name } = options;

  async function idleMs(): Promise<number> {
    const ms = await msUntilDue(db);
    // A job whose batch outlasts its lease is due and locked: that must not become a busy wait.
    return ms === null ? options.pollMs : Math.min(Math.max(20, Math.ceil(ms)), options.pollMs);
  }

  async function doBatch(job: ClaimedJob): Promise<void> {
    const fields = { jobId: job.id, tenantId: job.tenant_id, kind: job.kind };
    let batch: Batch | undefined;
    try {
      batch = await runBatch(db, job, name, options);
    } catch (error) {
      const hasFailed = await noteFailure(db, job, name, error);
      if (hasFailed) logger.error({ ...fields, error: messageOf(error) }, 'a job has failed');
      else logger.warn({ ...fields, error: messageOf(error) }, 'a batch of a job failed; it is tried again');
      return;
    }
    if (batch?.made === 'deliveries') options.onDeliveries();
    if (batch?.made === 'messages') options.onMessages();
    if (batch?.isLast) logger.info(fields, 'a job is done');
  }

  return createLoop(
    async () => {
      const job = await claimJob(db, name, options.leaseSeconds);
      if (!job) return await idleMs();
      await doBatch(job);
      return 0;
    },
    (error) => logger.warn({ error: messageOf(error) }, 'could not work on jobs; trying again'),
  );
}
