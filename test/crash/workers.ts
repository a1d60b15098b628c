import { sleep } from './random.ts';
import { runOnStage, type RunReport } from './stage.ts';

export interface WorkersOptions {
  readonly rounds: number;
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onRound?: (round: number, what: string) => void;
}

/**
 * One process that takes in and two that deliver, on one PostgreSQL: in each round one of the
 * workers is killed while it delivers, and started again. The ingest goes on all the time, so every
 * post must be acknowledged.
 */
export async function runWorkers(options: WorkersOptions): Promise<RunReport> {
  return await runOnStage({ ...options, kind: 'postgres', load: { clients: 8 } }, async (stage) => {
    const { load, desks, random, findings } = stage;
    const ingest = await stage.start({ ROLE: 'ingest' });
    const workers = [await stage.start({ ROLE: 'worker' }), await stage.start({ ROLE: 'worker' })];
    for (let round = 1; round <= options.rounds; round += 1) {
      const which = random.between(0, 1);
      const victim = workers[which];
      if (!victim) throw new Error('there are two workers');
      let left = random.between(1, 60);
      for (const { target } of desks) {
        target.onRequest = () => {
          left -= 1;
          if (left === 0) victim.server.kill();
        };
      }
      load.aim(ingest.url, round);
      await Promise.race([victim.server.exited, sleep(1_500)]);
      victim.server.kill();
      const { code } = await victim.server.exited;
      if (code !== null) findings.push(`round ${round}: a worker ended by itself\n${victim.server.output()}`);
      for (const { target } of desks) target.onRequest = undefined;
      await sleep(random.between(0, 300));
      workers[which] = await stage.start({ ROLE: 'worker' });
      options.onRound?.(round, `killed worker ${which + 1}`);
    }
    await load.stop();
    const { refused, unanswered } = load.counts;
    if (refused + unanswered > 0) {
      findings.push(`the ingest was up, and yet refused ${refused} posts and left ${unanswered} unanswered`);
    }
    for (const { server } of [...workers, ingest]) {
      const { fault } = await server.terminate();
      if (fault !== undefined) findings.push(`at the end: ${fault}`);
    }
  });
}
