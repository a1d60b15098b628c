import { describe, expect, test } from 'vitest';
import { providers } from '../../src/providers/index.ts';
import { readFixtures } from './fixtures.ts';
import { signers } from './signers/index.ts';
import { checksOf } from './suite.ts';

/** The contract suite, in Node. `workerd.test.ts` runs the same in Cloudflare's runtime. */
describe.each([...providers.values()])('$name', (provider) => {
  const signer = signers[provider.name];
  if (!signer) throw new Error(`test/contracts/signers/index.ts has no entry for ${provider.name}`);
  for (const check of checksOf(provider, signer, readFixtures(provider.name))) {
    test(check.name, async () => {
      await expect(check.run()).resolves.toBeUndefined();
    });
  }
});
