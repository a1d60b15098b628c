import { z } from 'zod';
import { providers } from '../../../src/providers/index.ts';
import type { Fixture } from '../fixtures.ts';
import { signers } from '../signers/index.ts';
import { checksOf } from '../suite.ts';

/** What became of one check: its name, and what was thrown where it failed. */
export interface CheckResult {
  readonly name: string;
  readonly error: string | null;
}

const order = z.object({
  provider: z.string(),
  /** The fixtures, which a Worker cannot read from a disk; their bytes as base64. */
  fixtures: z.array(z.looseObject({ name: z.string(), bytes: z.string() })),
});

/** A Worker that runs the contract suite for one provider and answers with what became of it. */
// oxlint-disable-next-line import/no-default-export -- a Worker is its module's default export
export default {
  async fetch(request: Request): Promise<Response> {
    const { provider: name, fixtures } = order.parse(await request.json());
    const provider = providers.get(name);
    const signer = signers[name];
    if (!provider || !signer) return new Response(`there is no provider ${name}`, { status: 404 });
    const read = fixtures.map((fixture) => ({ ...fixture, bytes: Buffer.from(fixture.bytes, 'base64') }));
    const results: CheckResult[] = [];
    for (const check of checksOf(provider, signer, read as unknown as Fixture[])) {
      // One by one: the order of failures is then the order of the suite.
      // oxlint-disable-next-line no-await-in-loop
      const error = await check.run().then(
        () => null,
        (thrown: unknown) => (thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)),
      );
      results.push({ name: check.name, error });
    }
    return Response.json(results);
  },
};
