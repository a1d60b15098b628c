import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const usage = `npm run model -- [--runs 500] [--seed 7]

  Plays random commands against the outbox and its model, on the embedded database, and on
  PostgreSQL as well where TEST_DATABASE_URL names a server. The same seed plays the same again.
`;

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '500' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    help: { type: 'boolean', default: false },
  },
});
const isNumber = (text: string): boolean => /^\d+$/.test(text);
if (values.help || !isNumber(values.runs) || Number(values.runs) < 1 || !isNumber(values.seed)) {
  process.stdout.write(usage);
  process.exit(values.help ? 0 : 2);
}
process.stdout.write(`${values.runs} runs, seed ${values.seed}\n`);
const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url));
const child = spawn(process.execPath, [vitest, 'run', 'test/integration/outbox-model.test.ts'], {
  cwd: fileURLToPath(new URL('../..', import.meta.url)),
  stdio: 'inherit',
  env: { ...process.env, MODEL_RUNS: values.runs, MODEL_SEED: values.seed },
});
const [code] = await once(child, 'exit');
process.exitCode = typeof code === 'number' ? code : 1;
