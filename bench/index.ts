import { parseArgs } from 'node:util';
import { z } from 'zod';
import { messageOf } from '../src/lib/errors.ts';
import { benchGrowth } from './growth.ts';
import { benchIngest } from './ingest.ts';
import { benchLatency } from './latency.ts';
import { benchMemory } from './memory.ts';
import { benchOutbox } from './outbox.ts';

const whole = z.coerce.number().int().min(1);
const seconds = z.coerce.number().positive().max(600);

/** What a benchmark can be told, with its defaults; each of them prints one table of ratios, measured in one run. */
const benchmarks = {
  ingest: {
    options: z.strictObject({ rounds: whole.default(5), seconds: seconds.max(60).default(2) }),
    run: benchIngest,
    about: 'taking in webhooks, beside the ceiling without a database and beside the naive way',
  },
  outbox: {
    options: z.strictObject({
      rounds: whole.default(5),
      jobs: whole.default(50_000),
      concurrency: whole.max(4_000).default(2_000),
    }),
    run: benchOutbox,
    about: 'deliveries that do nothing, beside pg-boss, graphile-worker and BullMQ (npm ci --prefix bench/peers)',
  },
  growth: {
    options: z.strictObject({
      rounds: whole.default(15),
      links: whole.default(1_000_000),
      routes: whole.default(100_000),
      pending: whole.default(50_000),
      finished: z
        .string()
        .default('1000000')
        .transform((text) => text.split(',').map(Number))
        .pipe(z.array(z.int().min(1))),
    }),
    run: benchGrowth,
    about: 'what ingest, routing and claiming cost as links, routes and finished deliveries grow',
  },
  latency: {
    options: z.strictObject({
      rounds: whole.default(3),
      seconds: seconds.max(60).default(10),
      concurrency: whole.max(1_000).default(64),
    }),
    run: benchLatency,
    about: "from a provider's request to the target's, at 10, 50 and 90 % of the path's peak",
  },
  memory: {
    options: z.strictObject({ backlog: whole.default(1_000_000), seconds: seconds.default(60) }),
    run: benchMemory,
    about: 'resident memory of a worker under a backlog',
  },
} as const;

interface Benchmark {
  readonly options: z.ZodObject;
  readonly run: (given: never) => Promise<void>;
  readonly about: string;
}

/** Another name for the same. */
const aliases: Readonly<Record<string, string>> = { peers: 'outbox' };

function describe([name, { options, about }]: [string, Benchmark]): string {
  const flags = Object.entries(options.parse({})).map(([flag, value]) => `--${flag} ${String(value)}`);
  return `  ${name}: ${about}\n    ${flags.join(' ')}`;
}

const usage = `npm run bench -- <name> [options]

The names, each with its options as they are when left out:
${Object.entries<Benchmark>(benchmarks).map(describe).join('\n')}
  peers: another name for outbox
`;

async function main(): Promise<number> {
  const [name = '', ...rest] = process.argv.slice(2);
  const benchmark = Object.entries<Benchmark>(benchmarks).find(([known]) => known === (aliases[name] ?? name))?.[1];
  if (!benchmark) {
    process.stderr.write(usage);
    return 1;
  }
  const flags = Object.keys(benchmark.options.shape).map((flag) => [flag, { type: 'string' as const }] as const);
  const { values } = parseArgs({ args: rest, options: Object.fromEntries(flags) });
  const given = benchmark.options.safeParse(values);
  if (!given.success) {
    process.stderr.write(`${z.prettifyError(given.error)}\n\n${usage}`);
    return 1;
  }
  await benchmark.run(given.data as never);
  return 0;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${messageOf(error)}\n`);
    process.exit(1);
  },
);
