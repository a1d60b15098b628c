import { parseArgs } from 'node:util';
import { messageOf } from '../src/lib/errors.ts';
import { benchIngest } from './ingest.ts';

/** `npm run bench -- <name>`: each benchmark prints one table of ratios, measured in one run. */
const benchmarks = new Map([['ingest', benchIngest]]);

const usage = `npm run bench -- <name> [--rounds N] [--seconds N]

names:   ${[...benchmarks.keys()].join(', ')}
rounds:  how often each measurement is taken, in turns with the others (5)
seconds: how long one measurement lasts (2)
`;

async function main(): Promise<number> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '2' } },
  });
  const run = benchmarks.get(positionals[0] ?? '');
  const rounds = Number(values.rounds);
  const seconds = Number(values.seconds);
  if (!run || !Number.isInteger(rounds) || rounds < 1 || !(seconds > 0 && seconds <= 60)) {
    process.stderr.write(usage);
    return 1;
  }
  await run({ rounds, seconds });
  return 0;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${messageOf(error)}\n`);
    process.exit(1);
  },
);
