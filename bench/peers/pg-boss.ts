import { PgBoss } from 'pg-boss';
import { countJobs, messageOf, serveContestant, type Contestant, type JobCounter } from '../outbox-contestant.ts';
import { openAttemptLog, type Attempt } from './attempts.ts';

const queue = 'idle';
/** A full batch asks for the next one at once, and each batch is completed in one statement. */
const options = { batchSize: 500, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 } as const;

interface Given {
  readonly databaseUrl: string;
  readonly workers: number;
  readonly doesTheSame: boolean;
}

/** pg-boss as it is fast: in batches, by several workers of one process; a batch's attempts go in one insert. */
async function createPgBoss({ databaseUrl, workers, doesTheSame }: Given): Promise<Contestant> {
  const boss = new PgBoss({ connectionString: databaseUrl, max: 10, supervise: false, schedule: false });
  boss.on('error', (error) => process.stderr.write(`pg-boss: ${String(error)}\n`));
  await boss.start();
  // Leases that are renewed, as Postroom's are.
  await boss.createQueue(queue, doesTheSame ? { heartbeatSeconds: 30 } : {});
  const log = doesTheSame ? await openAttemptLog(databaseUrl, workers) : undefined;
  let filled = 0;
  return {
    async fill(jobs) {
      filled += jobs;
      for (let from = 0; from < jobs; from += 5_000) {
        const size = Math.min(5_000, jobs - from);
        await boss.insert(
          queue,
          Array.from({ length: size }, (_, index) => ({ data: messageOf(from + index) })),
        );
      }
    },
    async run(jobs) {
      const counter = countJobs(jobs);
      const given = { ...options, localConcurrency: workers };
      if (log === undefined) {
        await boss.work(queue, given, async (batch) => counter.ran(batch.length));
      } else {
        await boss.work(queue, { ...given, perJobResults: true }, async (batch) => {
          const tries = await Promise.all(batch.map(({ id }) => runOne(id, counter)));
          await log.add(tries);
          return tries.map(({ jobId }) => ({ id: jobId, status: 'completed' as const }));
        });
      }
      await counter.all;
      await boss.offWork(queue, { wait: true });
      return counter.elapsed();
    },
    async countLeft() {
      const { rows } = await boss.getDb().executeSql(`select count(*)::int as count from pgboss.job
        where name = '${queue}' and state <> 'completed'`);
      const unlogged = log ? filled - (await log.count()) : 0;
      return ((rows as { count: number }[])[0]?.count ?? Number.NaN) + unlogged;
    },
    async close() {
      await boss.stop({ graceful: false });
      await log?.close();
    },
  };
}

/** A job with an outcome of its own. */
async function runOne(jobId: string, counter: JobCounter): Promise<Attempt> {
  const startedAt = new Date();
  counter.ran();
  return { jobId, number: 1, startedAt };
}

serveContestant(createPgBoss);
