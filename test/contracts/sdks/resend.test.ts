import * as fc from 'fast-check';
import { Webhook } from 'svix';
import { expect, test } from 'vitest';
import { makeFixture } from '../fixtures.ts';
import { signers } from '../signers/index.ts';
import { anyText, verifyRequest } from '../verify-request.ts';

/** Resend signs with Svix: what its library signs we accept, and it accepts what our signer signs. */
test('Resend: the library of Svix and ours agree', async () => {
  const signer = signers['resend'];
  const secret = signer?.secrets['signingSecret'] ?? '';
  const sdk = new Webhook(secret);
  const now = new Date();
  const timestamp = Math.floor(now.getTime() / 1000);
  await fc.assert(
    fc.asyncProperty(
      fc.json().filter((body) => body.isWellFormed()),
      anyText,
      async (body, name) => {
        const id = `msg_${Buffer.from(name).toString('hex').slice(0, 40)}`;
        const headers = {
          'svix-id': id,
          'svix-timestamp': String(timestamp),
          'svix-signature': sdk.sign(id, new Date(timestamp * 1000), body),
        };
        const request = { method: 'POST', headers, body };
        expect(await verifyRequest('resend', request, now)).toEqual({ ok: true });
        expect(await verifyRequest('resend', { ...request, body: `${body} ` }, now)).toMatchObject({ ok: false });
        const ours = signer?.sign(makeFixture(Buffer.from(body)), signer.secrets, now);
        expect(() => sdk.verify(body, { ...ours?.headers })).not.toThrow();
      },
    ),
    { numRuns: 50 },
  );
});
