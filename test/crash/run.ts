import { parseArgs } from 'node:util';
import { runGraceful } from './graceful.ts';
import { runCuts, runRestarts } from './outages.ts';
import { chooseSeed } from './random.ts';
import { runRounds } from './rounds.ts';
import { describeRun, type RunReport } from './stage.ts';
import { runWorkers } from './workers.ts';

const usage = `npm run crash -- [--rounds 200] [--database embedded|postgres] [--play kill|workers|stop|restart|cut] [--seed 7]

  --play kill      kills the one server there is, again and again (the default)
  --play workers   kills workers beside an ingest that goes on; PostgreSQL only
  --play stop      stops the server with SIGTERM under load
  --play restart   crashes PostgreSQL under load, on a cluster of its own; where its programs are installed
  --play cut       cuts all connections to the database under load; PostgreSQL only
  --database postgres needs TEST_DATABASE_URL: a server where databases may be made and dropped.
`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '200' },
    database: { type: 'string', default: 'embedded' },
    play: { type: 'string', default: 'kill' },
    seed: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const kind = values.database;
if (values.help || !Number.isInteger(rounds) || rounds < 1 || (kind !== 'embedded' && kind !== 'postgres')) {
  process.stdout.write(usage);
  process.exit(values.help ? 0 : 2);
}
const seed = chooseSeed(values.seed ?? process.env['CRASH_SEED']);
const interruption = new AbortController();
const options = { rounds, kind, seed, onRound, signal: interruption.signal } as const;
const plays: Record<string, () => Promise<RunReport>> = {
  kill: () => runRounds(options),
  workers: () => runWorkers(options),
  stop: () => runGraceful(options),
  restart: () => runRestarts(options),
  cut: () => runCuts(options),
};
const play = plays[values.play];
if (!play) {
  process.stdout.write(usage);
  process.exit(2);
}

// The run then fails, and its own clean-up removes what it made.
process.once('SIGINT', () => interruption.abort(new Error('interrupted')));

const where = ['kill', 'stop'].includes(values.play) ? kind : 'postgres';
process.stdout.write(`${values.play}, ${rounds} rounds, ${where}, seed ${seed}\n`);
const startedAt = Date.now();
const report = await play();
process.stdout.write(`${process.stdout.isTTY ? '\n' : ''}${describeRun(report)}\n`);
process.stdout.write(report.findings.length === 0 ? 'nothing lost, nothing doubled\n' : 'FAILED\n');
process.exitCode = report.findings.length === 0 ? 0 : 1;

function onRound(round: number, what: string): void {
  const line = `round ${round} of ${rounds}, ${Math.round((Date.now() - startedAt) / 1000)} s: ${what}`;
  if (process.stdout.isTTY) process.stdout.write(`\r\u001B[K${line}`);
  else if (round % 10 === 0 || round === rounds) process.stdout.write(`${line}\n`);
}
