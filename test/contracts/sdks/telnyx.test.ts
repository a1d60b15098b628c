import * as fc from 'fast-check';
import { Telnyx } from 'telnyx';
import { expect, test } from 'vitest';
import { makeFixture } from '../fixtures.ts';
import { signers } from '../signers/index.ts';
import { anyText, verifyRequest } from '../verify-request.ts';

/** Our verifier, our signer and the provider's own code agree on what is signed. */
test('Telnyx: what its SDK unwraps we accept, and what it refuses we refuse', async () => {
  const signer = signers['telnyx'];
  if (!signer) throw new Error('no signer');
  const { webhooks } = new Telnyx({ apiKey: 'unused', publicKey: signer.secrets['publicKey'] ?? '' });
  const now = new Date();
  const late = new Date(now.getTime() - 600_000);
  const sign = (body: string, at: Date) => signer.sign(makeFixture(new TextEncoder().encode(body)), signer.secrets, at);
  await fc.assert(
    fc.asyncProperty(
      anyText.filter((text) => text.isWellFormed()),
      async (text) => {
        const body = JSON.stringify({ data: { text } });
        const { headers } = sign(body, now);
        await expect(webhooks.unwrap(body, { headers })).resolves.toEqual({ data: { text } });
        expect(await verifyRequest('telnyx', { method: 'POST', headers, body }, now)).toEqual({ ok: true });

        await expect(webhooks.unwrap(`${body} `, { headers })).rejects.toThrow('does not match');
        const changed = { method: 'POST', headers, body: `${body} ` };
        expect(await verifyRequest('telnyx', changed, now)).toEqual({ ok: false, reason: 'bad_signature' });

        const stale = sign(body, late).headers;
        await expect(webhooks.unwrap(body, { headers: stale })).rejects.toThrow('too old');
        const old = { method: 'POST', headers: stale, body };
        expect(await verifyRequest('telnyx', old, now)).toEqual({ ok: false, reason: 'stale_timestamp' });
      },
    ),
    { numRuns: 50 },
  );
});
