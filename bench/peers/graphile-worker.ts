import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import pg from 'pg';
import { countJobs, serveContestant, type Contestant } from '../outbox-contestant.ts';

const concurrentJobs = 24;

/** graphile-worker as its documentation measures it: local queue, and completions in batches. */
async function createGraphileWorker({ databaseUrl }: { databaseUrl: string }): Promise<Contestant> {
  const pgPool = new pg.Pool({ connectionString: databaseUrl, max: concurrentJobs + 1 });
  const onLost = (error: Error): void => void process.stderr.write(`graphile-worker: ${error.message}\n`);
  pgPool.on('error', onLost);
  pgPool.on('connect', (client) => client.on('error', onLost));
  const logger = new Logger(() => () => {});
  const utils = await makeWorkerUtils({ pgPool, logger });
  await utils.migrate();
  return {
    async fill(jobs) {
      for (let from = 0; from < jobs; from += 5_000) {
        const size = Math.min(5_000, jobs - from);
        await utils.addJobs(
          Array.from({ length: size }, (_, index) => ({ identifier: 'idle', payload: { n: from + index } })),
        );
      }
    },
    async run(jobs) {
      const counter = countJobs(jobs);
      const runner = await run({
        pgPool,
        logger,
        noHandleSignals: true,
        taskList: { idle: () => counter.ran() },
        preset: {
          worker: {
            concurrentJobs,
            localQueue: { size: 500, refetchDelay: { durationMs: 10 } },
            completeJobBatchDelay: 0,
            failJobBatchDelay: 0,
          },
        },
      });
      await counter.all;
      await runner.stop();
      return counter.elapsed();
    },
    async countLeft() {
      const { rows } = await pgPool.query<{ count: number }>('select count(*)::int as count from graphile_worker.jobs');
      return rows[0]?.count ?? Number.NaN;
    },
    async close() {
      await utils.release();
      await pgPool.end();
    },
  };
}

serveContestant(createGraphileWorker);
