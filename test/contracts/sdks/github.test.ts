import { sign as signGithub } from '@octokit/webhooks-methods';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { signers } from '../signers/index.ts';
import { anyText, verifyRequest } from '../verify-request.ts';

/** Our verifier, our signer and the provider's own code agree on what is signed. */
test('GitHub: what its SDK signs we accept, and its published vector', async () => {
  const secret = signers['github']?.secrets['secret'] ?? '';
  const now = new Date();
  const signed = (body: string, signature: string) => ({
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-hub-signature-256': signature },
    body,
  });
  await fc.assert(
    fc.asyncProperty(
      anyText.filter((body) => body !== '' && body.isWellFormed()),
      async (body) => {
        const signature = await signGithub(secret, body);
        expect(await verifyRequest('github', signed(body, signature), now)).toEqual({ ok: true });
        expect(await verifyRequest('github', signed(`${body}x`, signature), now)).toMatchObject({ ok: false });
      },
    ),
    { numRuns: 50 },
  );
  // From GitHub's page on validating deliveries; the suite's secret is the page's own.
  const published = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
  expect(await verifyRequest('github', signed('Hello, World!', published), now)).toEqual({ ok: true });
});
