import { Queue, Worker, type Job } from 'bullmq';
import { countJobs, messageOf, serveContestant, type Contestant } from '../outbox-contestant.ts';
import { openAttemptLog } from './attempts.ts';

interface Given {
  readonly host: string;
  readonly port: number;
  readonly queue: string;
  readonly concurrency: number;
  /** Where attempts are logged; Redis itself keeps none. */
  readonly databaseUrl?: string;
}

/** BullMQ with one worker of high concurrency, which completes one job and takes the next in one call. */
async function createBullMq({ host, port, queue: name, concurrency, databaseUrl }: Given): Promise<Contestant> {
  const connection = { host, port, maxRetriesPerRequest: null };
  const queue = new Queue(name, { connection, defaultJobOptions: { removeOnComplete: true } });
  await queue.waitUntilReady();
  const log = databaseUrl === undefined ? undefined : await openAttemptLog(databaseUrl, 10);
  let filled = 0;
  return {
    async fill(jobs) {
      filled += jobs;
      for (let from = 0; from < jobs; from += 1_000) {
        const size = Math.min(1_000, jobs - from);
        await queue.addBulk(
          Array.from({ length: size }, (_, index) => ({ name: 'idle', data: messageOf(from + index) })),
        );
      }
    },
    async run(jobs) {
      const counter = countJobs(jobs);
      const idle = async (job: Job): Promise<void> => {
        await log?.add([{ jobId: job.id ?? '', number: job.attemptsMade + 1, startedAt: new Date() }]);
        counter.ran();
      };
      const worker = new Worker(name, idle, { connection, concurrency, skipStalledCheck: true });
      worker.on('error', (error) => process.stderr.write(`BullMQ: ${String(error)}\n`));
      await counter.all;
      // Waits for the completions that are under way.
      await worker.close();
      return counter.elapsed();
    },
    async countLeft() {
      const counts = await queue.getJobCounts('waiting', 'active', 'delayed', 'failed', 'prioritized');
      const left = Object.values(counts).reduce((sum, count) => sum + count, 0);
      return left + (log ? filled - (await log.count()) : 0);
    },
    async close() {
      await queue.obliterate({ force: true });
      await queue.close();
      await log?.close();
    },
  };
}

serveContestant(createBullMq);
