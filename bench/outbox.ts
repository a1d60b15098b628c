import { fork, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import pg from 'pg';
import { answerOf, benchFile, endChild } from './children.ts';
import { createCleanup, type OnEnd } from './cleanup.ts';
import { describeEnvironment, requirePostgres, type Postgres } from './databases.ts';
import type { Answer, Order } from './outbox-contestant.ts';
import { describeRedis, redisAddress } from './outbox-redis.ts';
import { formatTable, median, tell } from './table.ts';

export interface OutboxOptions {
  readonly rounds: number;
  readonly jobs: number;
  readonly concurrency: number;
}

/** Who is compared, and how fast Postroom is to be beside them. */
interface Entry {
  readonly name: string;
  readonly how: string;
  readonly least: number | undefined;
  /** Undefined: it stores outside PostgreSQL. */
  readonly databaseUrl: string | undefined;
  readonly child: ChildProcess;
}

const us = 'Postroom';

/**
 * The outbox against its peers: jobs that carry a message and do nothing, claimed, run and completed
 * by one process each, on the same machine. Each peer once doing what Postroom does, as far as it
 * can: an attempt logged per job, an outcome of its own for each, leases; and once as it comes, which
 * is less. One after the other, in turns; what counts are ratios within one round.
 */
export async function benchOutbox({ rounds, jobs, concurrency }: OutboxOptions): Promise<void> {
  if (!existsSync(benchFile('peers/node_modules'))) {
    throw new Error('the peers are not installed: npm ci --prefix bench/peers');
  }
  const cleanup = createCleanup();
  try {
    const postgres = await requirePostgres();
    const redis = await describeRedis();
    process.stdout.write(
      `${describeEnvironment(postgres)}; ${redis ?? 'no Redis server answers: BullMQ is left out'}\n`,
    );
    const entries = await start(postgres, redis !== undefined, concurrency, cleanup.add);
    const measured = new Map(entries.map(({ name }) => [name, [] as number[]]));
    // The first round is not counted: code is compiled, connections are opened.
    for (let round = 0; round <= rounds; round += 1) {
      for (const entry of round % 2 === 0 ? entries : entries.toReversed()) {
        const rate = await measure(entry, round === 0 ? Math.ceil(jobs / 4) : jobs);
        if (round > 0) measured.get(entry.name)?.push(rate);
        tell(`round ${round}: ${entry.name} ${Math.round(rate)}/s`);
      }
    }
    process.stdout.write(`\n${summarize(entries, measured, jobs)}\n`);
  } finally {
    await cleanup.run();
  }
}

/** Starts everybody, each with a store of its own. */
async function start(postgres: Postgres, hasRedis: boolean, concurrency: number, onEnd: OnEnd): Promise<Entry[]> {
  const entries: Entry[] = [];
  const add = async (
    name: string,
    file: string,
    how: string,
    least: number | undefined,
    given: object,
  ): Promise<void> => {
    const way = name.toLowerCase().replaceAll(/\W+/g, '_');
    const isOnRedis = name.startsWith('BullMQ');
    const databaseUrl = name === 'BullMQ, as it comes' ? undefined : await postgres.createDatabase(way, onEnd);
    const child = fork(benchFile(file), [JSON.stringify({ databaseUrl, ...given })]);
    onEnd(() => endChild(child));
    const entry = { name, how, least, databaseUrl, child };
    // Redis has no database to drop: it tidies up itself.
    if (isOnRedis) onEnd(async () => void (await order(entry, { what: 'close', jobs: 0 })));
    entries.push(entry);
  };
  await add(us, 'outbox-postroom.ts', `${concurrency} at once; leases, fences, attempts logged`, undefined, {
    concurrency,
  });
  for (const doesTheSame of [true, false]) {
    const suffix = doesTheSame ? '' : ', as it comes';
    const given = { doesTheSame };
    const least = (bar: number): number | undefined => (doesTheSame ? bar : undefined);
    const logged = doesTheSame ? '; attempts logged' : '';
    const leased = doesTheSame ? '; an outcome per job, leases, attempts logged' : '';
    await add(`pg-boss${suffix}`, 'peers/pg-boss.ts', `3 workers, batches of 500, bursts${leased}`, least(1.2), {
      ...given,
      workers: 3,
    });
    const how = `24 at once, local queue of 500, batched completion${logged}`;
    await add(`graphile-worker${suffix}`, 'peers/graphile-worker.ts', how, least(1), given);
    if (!hasRedis) continue;
    await add(`BullMQ${suffix}`, 'peers/bullmq.ts', `200 at once, removed when done${logged}`, least(1.5), {
      ...redisAddress,
      queue: `postroom-bench-${process.pid}-${doesTheSame}`,
      concurrency: 200,
    });
  }
  return entries;
}

/** Jobs per second of one run. Everybody begins with fresh statistics and nothing left to write. */
async function measure(entry: Entry, jobs: number): Promise<number> {
  await order(entry, { what: 'fill', jobs });
  if (entry.databaseUrl !== undefined) await vacuum(entry.databaseUrl);
  const { milliseconds } = await order(entry, { what: 'run', jobs });
  return (jobs / (milliseconds ?? Number.NaN)) * 1000;
}

async function order({ name, child }: Entry, what: Order): Promise<Answer> {
  const answered = answerOf<Answer>(child);
  child.send(what);
  const answer = await answered;
  if (answer.error !== undefined) throw new Error(`${name}: ${answer.error}`);
  return answer;
}

async function vacuum(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('vacuum (analyze)');
    await client.query('checkpoint');
  } finally {
    await client.end();
  }
}

function summarize(entries: readonly Entry[], measured: ReadonlyMap<string, readonly number[]>, jobs: number): string {
  const ours = measured.get(us) ?? [];
  const ratioTo = (name: string): number =>
    median((measured.get(name) ?? []).map((theirs, round) => (ours[round] ?? Number.NaN) / theirs));
  const rows = entries.map(({ name, how }) => [
    name,
    how,
    median(measured.get(name) ?? []).toFixed(0),
    name === us ? '' : ratioTo(name).toFixed(2),
  ]);
  return [
    ...formatTable([['', 'how', 'jobs/s', `${us} / it`], ...rows], 2),
    '',
    `${jobs} jobs a run: from the first one's start to the end of the last completion.`,
    ...entries.flatMap(({ name, least }) => {
      if (least === undefined) return [];
      const ratio = ratioTo(name);
      const verdict = ratio >= least ? 'reached' : 'missed';
      return [`${us} / ${name}, at least ${least.toFixed(1)}: ${verdict} with ${ratio.toFixed(2)}`];
    }),
  ].join('\n');
}
