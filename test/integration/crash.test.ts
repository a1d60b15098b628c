import { describe, expect, it } from 'vitest';
import { runGraceful, runHandover } from '../crash/graceful.ts';
import { runRounds } from '../crash/rounds.ts';
import { describeRun, type RunReport } from '../crash/stage.ts';
import { runWorkers } from '../crash/workers.ts';

const limitMs = 180_000;
const rounds = 20;
const hasPostgres = Boolean(process.env['TEST_DATABASE_URL']);

/** Nothing was found wrong; else the failure says what, and the seed that repeats it. */
function expectSound(report: RunReport): void {
  if (report.findings.length > 0) expect.fail(describeRun(report));
  expect(report.acknowledgedMessages).toBeGreaterThan(0);
  expect(report.delivered).toBeGreaterThanOrEqual(report.acknowledgedMessages);
}

describe('a crash on the embedded database', () => {
  it('loses and doubles nothing that was acknowledged', { timeout: limitMs }, async ({ signal }) => {
    expectSound(await runRounds({ signal, kind: 'embedded', rounds }));
  });

  it(
    'is not what a SIGTERM is: nothing lost, nothing repeated, nothing left running',
    { timeout: limitMs },
    async ({ signal }) => {
      expectSound(await runGraceful({ signal, kind: 'embedded', rounds: 3 }));
    },
  );
});

describe.runIf(hasPostgres)('a crash on PostgreSQL', () => {
  it('loses and doubles nothing that was acknowledged', { timeout: limitMs }, async ({ signal }) => {
    expectSound(await runRounds({ signal, kind: 'postgres', rounds }));
  });

  it('of workers in mid-delivery loses nothing, while the ingest goes on', { timeout: limitMs }, async ({ signal }) => {
    expectSound(await runWorkers({ signal, rounds: 8 }));
  });

  it(
    'is not what a SIGTERM is: nothing lost, nothing repeated, nothing left running',
    { timeout: limitMs },
    async ({ signal }) => {
      expectSound(await runGraceful({ signal, kind: 'postgres', rounds: 4 }));
    },
  );

  it(
    'is not what the stop of one of two workers is: it keeps what it runs until that ends',
    { timeout: limitMs },
    async ({ signal }) => {
      expectSound(await runHandover({ signal }));
    },
  );
});
