import { sleep } from './random.ts';
import type { Stop } from './server.ts';
import { runOnStage, type RunOptions, type RunReport, type Stage } from './stage.ts';

/** A stop gives what runs 20 s, requests under way 5 s before that. */
const stopLimitMs = 26_000;

export interface GracefulOptions extends RunOptions {
  readonly rounds: number;
  readonly onRound?: (round: number, what: string) => void;
}

/**
 * Ends the server with SIGTERM in every round, under load and while deliveries run. Each stop must
 * be in time, with exit code 0, leave no delivery running, and lead to no duplicate.
 */
export async function runGraceful(options: GracefulOptions): Promise<RunReport> {
  const report = await runOnStage(options, async (stage) => {
    for (const { target } of stage.desks) target.delayMs = [50, 400];
    for (let round = 1; round <= options.rounds; round += 1) {
      const { server, url } = await stage.start();
      stage.load.aim(url, round);
      await sleep(stage.random.between(200, 900));
      const stop = await server.terminate();
      stage.load.aim(undefined, round);
      await checkStop(stage, `round ${round}`, stop);
      options.onRound?.(round, `stopped in ${stop.ms} ms`);
    }
  });
  return withoutDuplicates(report);
}

/**
 * Stops one of two workers while its deliveries run longer than a lease: they stay its own until
 * they have ended, and the other one does not repeat them.
 */
export async function runHandover(options: Omit<RunOptions, 'kind'> = {}): Promise<RunReport> {
  const few = { ...options, kind: 'postgres', load: { postsPerRound: 40 } } as const;
  const report = await runOnStage(few, async (stage) => {
    for (const { target } of stage.desks) Object.assign(target, { delayMs: [3_500, 4_500], failOneOf: 0 });
    const ingest = await stage.start({ ROLE: 'ingest' });
    const stopped = await stage.start({ ROLE: 'worker' });
    stage.load.aim(ingest.url, 1);
    while (stage.desks.every(({ target }) => target.busy < 5)) await sleep(20);
    const [claimed] = await stage.home.query(`select lease_owner from deliveries where state = 'running'`);
    const other = await stage.start({ ROLE: 'worker' });
    const stop = await stopped.server.terminate();
    await checkStop(stage, 'the stopped worker', stop, String(claimed?.['lease_owner']));
    await stage.load.stop();
    for (const { server } of [other, ingest]) await checkStop(stage, 'the others', await server.terminate());
  });
  return withoutDuplicates(report);
}

/** @param owner looks at this worker's deliveries alone; else nothing may be running at all. */
async function checkStop({ home, findings }: Stage, who: string, stop: Stop, owner?: string): Promise<void> {
  if (stop.fault !== undefined) findings.push(`${who}: ${stop.fault}`);
  if (stop.ms > stopLimitMs) findings.push(`${who}: the stop took ${stop.ms} ms`);
  const left = await home.query(`select id, lease_owner, lease_until from deliveries where state = 'running'`);
  const own = owner === undefined ? left : left.filter((row) => row['lease_owner'] === owner);
  for (const row of own) findings.push(`${who}: left a delivery running: ${JSON.stringify(row)}`);
}

function withoutDuplicates(report: RunReport): RunReport {
  if (report.duplicates === 0) return report;
  return { ...report, findings: [...report.findings, `${report.duplicates} duplicates after graceful stops`] };
}
