import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import pg from 'pg';
import { countJobs, messageOf, serveContestant, type Contestant } from '../outbox-contestant.ts';
import { openAttemptLog } from './attempts.ts';

const concurrentJobs = 24;

interface Given {
  readonly databaseUrl: string;
  readonly doesTheSame: boolean;
}

/** graphile-worker as its documentation measures it: local queue, and completions in batches. A task logs its own attempt. */
async function createGraphileWorker({ databaseUrl, doesTheSame }: Given): Promise<Contestant> {
  const pgPool = new pg.Pool({ connectionString: databaseUrl, max: concurrentJobs + 1 });
  const onLost = (error: Error): void => void process.stderr.write(`graphile-worker: ${error.message}\n`);
  pgPool.on('error', onLost);
  pgPool.on('connect', (client) => client.on('error', onLost));
  const logger = new Logger(() => () => {});
  const utils = await makeWorkerUtils({ pgPool, logger });
  await utils.migrate();
  const log = doesTheSame ? await openAttemptLog(databaseUrl, concurrentJobs) : undefined;
  let filled = 0;
  return {
    async fill(jobs) {
      filled += jobs;
      for (let from = 0; from < jobs; from += 5_000) {
        const size = Math.min(5_000, jobs - from);
        await utils.addJobs(
          Array.from({ length: size }, (_, index) => ({ identifier: 'idle', payload: messageOf(from + index) })),
        );
      }
    },
    async run(jobs) {
      const counter = countJobs(jobs);
      const runner = await run({
        pgPool,
        logger,
        noHandleSignals: true,
        taskList: {
          async idle(_payload, { job }) {
            await log?.add([{ jobId: job.id, number: job.attempts, startedAt: new Date() }]);
            counter.ran();
          },
        },
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
      return (rows[0]?.count ?? Number.NaN) + (log ? filled - (await log.count()) : 0);
    },
    async close() {
      await utils.release();
      await log?.close();
      await pgPool.end();
    },
  };
}

serveContestant(createGraphileWorker);
