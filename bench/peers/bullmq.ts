import { Queue, Worker } from 'bullmq';
import { countJobs, serveContestant, type Contestant } from '../outbox-contestant.ts';

interface Given {
  readonly host: string;
  readonly port: number;
  readonly queue: string;
  readonly concurrency: number;
}

/** BullMQ with one worker of high concurrency, which completes one job and takes the next in one call. */
async function createBullMq({ host, port, queue: name, concurrency }: Given): Promise<Contestant> {
  const connection = { host, port, maxRetriesPerRequest: null };
  const queue = new Queue(name, { connection, defaultJobOptions: { removeOnComplete: true } });
  await queue.waitUntilReady();
  return {
    async fill(jobs) {
      for (let from = 0; from < jobs; from += 1_000) {
        const size = Math.min(1_000, jobs - from);
        await queue.addBulk(Array.from({ length: size }, (_, index) => ({ name: 'idle', data: { n: from + index } })));
      }
    },
    async run(jobs) {
      const counter = countJobs(jobs);
      const worker = new Worker(name, async () => counter.ran(), { connection, concurrency, skipStalledCheck: true });
      worker.on('error', (error) => process.stderr.write(`BullMQ: ${String(error)}\n`));
      await counter.all;
      // Waits for the completions that are under way.
      await worker.close();
      return counter.elapsed();
    },
    async countLeft() {
      const counts = await queue.getJobCounts('waiting', 'active', 'delayed', 'failed', 'prioritized');
      return Object.values(counts).reduce((sum, count) => sum + count, 0);
    },
    async close() {
      await queue.obliterate({ force: true });
      await queue.close();
    },
  };
}

serveContestant(createBullMq);
