import { createClient, eventually } from '../support/test-app.ts';
import { findPostgres, startCluster } from './cluster.ts';
import { sleep } from './random.ts';
import type { ServerProcess } from './server.ts';
import { runOnStage, type RunOptions, type RunReport, type Stage } from './stage.ts';

export interface OutagesOptions extends Omit<RunOptions, 'kind' | 'adminUrl'> {
  readonly rounds: number;
  readonly onRound?: (round: number, what: string) => void;
}

/** How long after an outage the service must take in again, and deliver again. */
const recoveryLimitMs = 15_000;

/**
 * PostgreSQL crashes and starts again in every round, under load, on a cluster of its own. The
 * ingest and the two workers stay the same processes from the first round to the last.
 */
export async function runRestarts(options: OutagesOptions): Promise<RunReport> {
  const programs = findPostgres();
  if (programs === undefined) throw new Error('there is no PostgreSQL installed to be restarted');
  const cluster = await startCluster(programs);
  try {
    return await runOutages({ ...options, adminUrl: cluster.url }, () => cluster.crash());
  } finally {
    cluster.remove();
  }
}

/** Every connection to the database is cut in every round, several times in a row, under load. */
export async function runCuts(options: OutagesOptions): Promise<RunReport> {
  return await runOutages(options, async ({ home, random }) => {
    const others = 'datname = current_database() and pid <> pg_backend_pid()';
    for (let left = random.between(1, 6); left > 0; left -= 1) {
      await home.query(`select pg_terminate_backend(pid) from pg_stat_activity where ${others}`);
      await sleep(random.between(0, 60));
    }
  });
}

async function runOutages(
  options: OutagesOptions & Pick<RunOptions, 'adminUrl'>,
  outage: (stage: Stage) => Promise<void>,
): Promise<RunReport> {
  // Refused posts must not use a round up: time alone bounds it.
  const load = { clients: 8, postsPerRound: 1_000_000, pauseMs: 60 };
  return await runOnStage({ ...options, kind: 'postgres', load }, async (stage) => {
    const ingest = await stage.start({ ROLE: 'ingest' });
    const servers = [ingest.server];
    for (let left = 2; left > 0; left -= 1) servers.push((await stage.start({ ROLE: 'worker' })).server);
    const ended = noteEnds(stage, servers);
    for (let round = 1; round <= options.rounds; round += 1) {
      stage.load.aim(ingest.url, round);
      await sleep(stage.random.between(150, 900));
      await outage(stage);
      const ms = await recover(stage, ingest.url);
      options.onRound?.(round, `takes in and delivers again after ${Math.round(ms)} ms`);
    }
    stage.load.aim(undefined, options.rounds);
    await stage.load.stop();
    await expectQuiet(stage, ingest.url);
    ended.forget();
    for (const server of servers) {
      const { fault } = await server.terminate();
      if (fault !== undefined) stage.findings.push(`at the end: ${fault}`);
    }
  });
}

/** The service must come back by itself: a process that ends is a finding. */
function noteEnds({ findings }: Stage, servers: readonly ServerProcess[]): { forget(): void } {
  let isOver = false;
  const note = async (server: ServerProcess): Promise<void> => {
    const { code, signal } = await server.exited;
    if (!isOver) findings.push(`a process ended by itself: ${signal ?? code}\n${server.output()}`);
  };
  for (const server of servers) void note(server);
  return { forget: () => void (isOver = true) };
}

/** Waits until something is acknowledged, and something reaches a target. Returns after how long. */
async function recover({ load, desks, findings }: Stage, url: string): Promise<number> {
  const from = performance.now();
  const requests = (): number =>
    desks.reduce((sum, { target }) => sum + [...target.handed.values()].reduce((all, one) => all + one.received, 0), 0);
  const before = { acknowledged: load.counts.acknowledged, requests: requests() };
  try {
    await eventually(
      `${url} to take in and deliver again`,
      () => (load.counts.acknowledged > before.acknowledged && requests() > before.requests) || undefined,
      recoveryLimitMs,
    );
  } catch (error) {
    findings.push(String(error));
  }
  return performance.now() - from;
}

/** The same processes finish what they have begun, before a last server could do it for them. */
async function expectQuiet({ home, findings }: Stage, url: string): Promise<void> {
  const client = createClient(url, home.token);
  try {
    await eventually(
      'the processes to finish by themselves',
      async () => {
        const states = ['pending', 'running', 'awaiting'];
        const pages = await Promise.all(states.map((state) => client.get(`/api/v1/deliveries?state=${state}&limit=1`)));
        const [waiting] = await home.query(`select count(*)::int as n from inbound_messages where status = 'received'`);
        return (waiting?.['n'] === 0 && pages.every((page) => page.items.length === 0)) || undefined;
      },
      30_000,
    );
  } catch (error) {
    findings.push(String(error));
  }
}
