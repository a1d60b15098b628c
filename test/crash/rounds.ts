import { sleep } from './random.ts';
import { describeKill, planKills, type Kill } from './schedule.ts';
import { runOnStage, type RunOptions, type RunReport, type Stage } from './stage.ts';

/** A kill that waits for the nth of something does not wait longer than this. */
const patienceMs = 1_500;

export interface RoundsOptions extends RunOptions {
  readonly rounds: number;
  /** Called after each round. */
  readonly onRound?: (round: number, kill: string) => void;
}

/** Kills the one server there is in every round, at a moment of the schedule, and starts it again. */
export async function runRounds(options: RoundsOptions): Promise<RunReport> {
  return await runOnStage(options, async (stage) => {
    const kills = planKills(options.rounds, stage.random);
    for (const [index, kill] of kills.entries()) {
      await playRound(stage, index + 1, kill);
      options.onRound?.(index + 1, describeKill(kill));
    }
  });
}

async function playRound(stage: Stage, round: number, kill: Kill): Promise<void> {
  if (kill.when === 'starting') {
    const server = stage.launch();
    await Promise.race([sleep(kill.afterMs), server.exited]);
    server.kill();
    const { code } = await server.exited;
    if (code !== null) stage.findings.push(`round ${round}: exit code ${code} while starting\n${server.output()}`);
    return;
  }
  const { server, url } = await stage.start();
  const killed = waitFor(stage, kill, () => {
    server.kill();
    stage.load.aim(undefined, round);
  });
  stage.load.aim(url, round);
  const { code } = await server.exited;
  killed();
  stage.load.aim(undefined, round);
  if (code !== null) stage.findings.push(`round ${round}: it ended by itself, exit code ${code}\n${server.output()}`);
}

/** Calls `act` at the kill's moment, in the same tick as what it waits for. Returns what forgets it. */
function waitFor({ load, desks }: Stage, kill: Kill, act: () => void): () => void {
  const isCounted = kill.when === 'acknowledged' || kill.when === 'delivering';
  const timers = [setTimeout(act, isCounted ? patienceMs : kill.afterMs)];
  let left = isCounted ? kill.count : 0;
  const count = (): void => {
    left -= 1;
    if (left !== 0) return;
    const afterMs = kill.when === 'delivering' ? kill.afterMs : 0;
    if (afterMs === 0) act();
    else timers.push(setTimeout(act, afterMs));
  };
  if (kill.when === 'acknowledged') load.onAcknowledged = count;
  if (kill.when === 'delivering') for (const { target } of desks) target.onRequest = count;
  return () => {
    for (const timer of timers) clearTimeout(timer);
    load.onAcknowledged = undefined;
    for (const { target } of desks) target.onRequest = undefined;
  };
}
