import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestHarness } from 'wrangler';
import { providers } from '../../src/providers/index.ts';
import { readFixtures } from './fixtures.ts';
import { signers } from './signers/index.ts';
import { checksOf } from './suite.ts';
import type { CheckResult } from './workerd/worker.ts';

/** The contract suite once more, inside workerd: no provider depends on Node. */
const harness = createTestHarness({
  workers: [{ configPath: fileURLToPath(new URL('./workerd/wrangler.toml', import.meta.url)) }],
});

beforeAll(async () => {
  await harness.listen();
}, 60_000);

afterAll(() => harness.close());

describe.each([...providers.keys()])('%s in workerd', (name) => {
  test('passes every check of the suite', { timeout: 60_000 }, async () => {
    const provider = providers.get(name);
    const signer = signers[name];
    if (!provider || !signer) throw new Error(`there is no signer for ${name}`);
    const fixtures = readFixtures(name);
    const answer = await harness.fetch('/', {
      method: 'POST',
      body: JSON.stringify({
        provider: name,
        fixtures: fixtures.map((fixture) => ({ ...fixture, bytes: Buffer.from(fixture.bytes).toString('base64') })),
      }),
    });
    expect(answer.status).toBe(200);
    const results = (await answer.json()) as CheckResult[];
    expect(results.filter(({ error }) => error !== null)).toEqual([]);
    // None was left out: the same checks, by name, as in Node.
    expect(results.map((result) => result.name)).toEqual(
      checksOf(provider, signer, fixtures).map((check) => check.name),
    );
  });
});
