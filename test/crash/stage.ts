import { setUpDesks, type Desk } from './desk.ts';
import { createHome, type DatabaseKind, type Home } from './home.ts';
import { startLoad, type Load, type LoadOptions } from './load.ts';
import { chooseSeed, createRandom, type Random } from './random.ts';
import { killServers, startServer, type ServerProcess } from './server.ts';
import { startCrashTarget } from './target.ts';
import { verifyRun, type Result } from './verify.ts';

/** Everything around the servers of one run. */
export interface Stage {
  readonly home: Home;
  readonly desks: readonly Desk[];
  readonly load: Load;
  /** For what the run draws itself. */
  readonly random: Random;
  /** What the run finds wrong by itself. */
  readonly findings: string[];
  /** How long starts took, in milliseconds. */
  readonly starts: number[];
  /** Starts a server in this home, and does not wait for it. */
  launch(env?: Readonly<Record<string, string>>): ServerProcess;
  /** Starts a server in this home; resolves when it listens. */
  start(env?: Readonly<Record<string, string>>): Promise<{ server: ServerProcess; url: string }>;
}

export interface RunOptions {
  readonly kind: DatabaseKind;
  /** Repeats a run's schedule; a new one where it is left out. */
  readonly seed?: number | undefined;
  readonly load?: Partial<LoadOptions>;
  /** The PostgreSQL server to make the database on; else `TEST_DATABASE_URL`. */
  readonly adminUrl?: string | undefined;
  /** Ends the run early: it fails, and cleans up behind itself. */
  readonly signal?: AbortSignal | undefined;
}

/** What a run came to, with its seed and figures. */
export interface RunReport extends Result {
  readonly seed: number;
  readonly posts: number;
  readonly acknowledged: number;
  readonly unanswered: number;
  readonly starts: readonly number[];
}

/**
 * Runs a play on a fresh home with two desks and a load, then starts a last server, waits until all
 * is quiet, and compares. Removes everything it made, also where the play fails.
 */
export async function runOnStage(options: RunOptions, play: (stage: Stage) => Promise<void>): Promise<RunReport> {
  const seed = options.seed ?? chooseSeed(process.env['CRASH_SEED']);
  const home = await createHome(options.kind, options.adminUrl);
  const targets = [await startCrashTarget(createRandom(seed + 1)), await startCrashTarget(createRandom(seed + 2))];
  let load: Load | undefined;
  const starts: number[] = [];
  const launch: Stage['launch'] = (env = {}) => {
    options.signal?.throwIfAborted();
    return startServer({ ...home.env, ...env });
  };
  const start: Stage['start'] = async (env) => {
    const server = launch(env);
    const { url, ms } = await server.listening;
    starts.push(ms);
    return { server, url };
  };
  options.signal?.addEventListener('abort', () => void killServers());
  try {
    const first = await start();
    const desks = await setUpDesks(first.url, home.token, targets);
    first.server.kill();
    await first.server.exited;
    load = startLoad(desks, createRandom(seed + 3), { clients: 16, postsPerRound: 150, pauseMs: 10, ...options.load });
    const stage: Stage = { home, desks, load, starts, launch, start, random: createRandom(seed), findings: [] };
    await play(stage);
    await load.stop();
    const last = await start();
    const result = await verifyRun(last.url, home.token, load, desks);
    const { fault } = await last.server.terminate();
    if (fault !== undefined) stage.findings.push(`the last server: ${fault}`);
    const { posts, acknowledged, unanswered } = load.counts;
    const findings = [...stage.findings, ...result.findings];
    return { ...result, findings, seed, posts, acknowledged, unanswered, starts };
  } catch (error) {
    throw new Error(`the run of seed ${seed} could not go on`, { cause: error });
  } finally {
    await load?.stop();
    await killServers();
    await Promise.all(targets.map((target) => target.stop()));
    await home.remove();
  }
}

/** A run in a few lines: its figures, and what it found wrong. */
export function describeRun(report: RunReport): string {
  const sorted = [...report.starts].sort((a, b) => a - b);
  const at = (share: number): number => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0);
  return [
    `seed ${report.seed} (CRASH_SEED=${report.seed} repeats the schedule)`,
    `posted ${report.posts} requests of ${report.messages} messages, ${report.unanswered} never answered`,
    `acknowledged ${report.acknowledged} requests of ${report.acknowledgedMessages} messages`,
    `delivered ${report.delivered} messages, and ${report.duplicates} of them again`,
    `started ${sorted.length} times in ${at(0.5)} ms (median), ${at(1)} ms (longest)`,
    ...report.findings,
  ].join('\n');
}
