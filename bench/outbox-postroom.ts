import { sql } from 'kysely';
import { z } from 'zod';
import { createWorker } from '../src/outbox/worker.ts';
import { openPostgres } from '../src/db/client.ts';
import { makeAllYoung } from '../src/entry/heap.ts';
import { defineHandler } from '../src/handler.ts';
import { silentLogger } from '../src/lib/logger.ts';
import { createSafeFetch } from '../src/lib/safe-fetch.ts';
import { createSealer, newSealingKey } from '../src/lib/sealing.ts';
import { fillPending, furnish } from './fill.ts';
import { countJobs, serveContestant, type Contestant } from './outbox-contestant.ts';
import { makeWorld } from './world.ts';

/** Takes the place of the handler for the route's kind, and does nothing. */
const idle = defineHandler({
  kind: 'process',
  config: z.looseObject({}),
  policy: { timeoutMs: 30_000 },
  run: () => Promise.resolve({}),
});

/**
 * Postroom's outbox: the real worker over messages that were booked and routed. Every delivery is
 * claimed under a lease and a fence, and completed with its attempt and its message.
 */
async function createPostroom({
  databaseUrl,
  concurrency,
}: {
  databaseUrl: string;
  concurrency: number;
}): Promise<Contestant> {
  const world = await makeWorld(databaseUrl);
  await furnish(world);
  const { db, close } = openPostgres(databaseUrl, silentLogger, { poolSize: 10 });
  const safeFetch = createSafeFetch({ allowPrivate: [] });
  let runs = 0;
  return {
    fill: (jobs) => fillPending(world, jobs),
    async run(jobs) {
      const counter = countJobs(jobs);
      runs += 1;
      const worker = createWorker({
        db,
        safeFetch,
        concurrency,
        handlers: new Map([[idle.kind, { ...idle, run: (run) => (counter.ran(), idle.run(run)) }]]),
        sealer: createSealer(newSealingKey()),
        logger: silentLogger,
        now: () => new Date(),
        name: `bench-${runs}`,
        leaseSeconds: 30,
        pollMs: 1_000,
        alone: false,
        callbackBase: 'http://127.0.0.1',
      });
      worker.start();
      await counter.all;
      await worker.stop(60_000);
      return counter.elapsed();
    },
    async countLeft() {
      const { rows } = await sql<{ count: number }>`
        select (select count(*) from deliveries where state <> 'succeeded')::int
          + abs((select count(*) from deliveries) - (select count(*) from attempts where outcome = 'succeeded'))::int
          as count`.execute(world.db);
      return rows[0]?.count ?? Number.NaN;
    },
    async close() {
      await close();
      await world.close();
      await safeFetch.close();
    },
  };
}

// As the service does.
makeAllYoung();
serveContestant(createPostroom);
