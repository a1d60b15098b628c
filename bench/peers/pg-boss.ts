import { PgBoss } from 'pg-boss';
import { countJobs, serveContestant, type Contestant } from '../outbox-contestant.ts';

const queue = 'idle';
/** A full batch asks for the next one at once, and each batch is completed in one statement. */
const options = { batchSize: 500, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 } as const;

/** pg-boss as it is fast: in batches, by several workers of one process. */
async function createPgBoss({ databaseUrl, workers }: { databaseUrl: string; workers: number }): Promise<Contestant> {
  const boss = new PgBoss({ connectionString: databaseUrl, max: 10, supervise: false, schedule: false });
  boss.on('error', (error) => process.stderr.write(`pg-boss: ${String(error)}\n`));
  await boss.start();
  await boss.createQueue(queue);
  return {
    async fill(jobs) {
      for (let from = 0; from < jobs; from += 5_000) {
        const size = Math.min(5_000, jobs - from);
        await boss.insert(
          queue,
          Array.from({ length: size }, (_, index) => ({ data: { n: from + index } })),
        );
      }
    },
    async run(jobs) {
      const counter = countJobs(jobs);
      await boss.work(queue, { ...options, localConcurrency: workers }, async (batch) => counter.ran(batch.length));
      await counter.all;
      await boss.offWork(queue, { wait: true });
      return counter.elapsed();
    },
    async countLeft() {
      const { rows } = await boss.getDb().executeSql(`select count(*)::int as count from pgboss.job
        where name = '${queue}' and state <> 'completed'`);
      return (rows as { count: number }[])[0]?.count ?? Number.NaN;
    },
    close: () => boss.stop({ graceful: false }),
  };
}

serveContestant(createPgBoss);
