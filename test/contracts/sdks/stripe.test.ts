import * as fc from 'fast-check';
import { Stripe } from 'stripe';
import { expect, test } from 'vitest';
import { signers } from '../signers/index.ts';
import { anyText, verifyRequest } from '../verify-request.ts';

/** Our verifier, our signer and the provider's own code agree on what is signed. */
test('Stripe: what its SDK signs we accept, and it accepts what ours accepts', async () => {
  const secret = signers['stripe']?.secrets['signingSecret'] ?? '';
  const { webhooks } = new Stripe('sk_test_unused');
  const now = new Date();
  const timestamp = Math.floor(now.getTime() / 1000);
  await fc.assert(
    fc.asyncProperty(
      anyText.filter((body) => body !== '' && body.isWellFormed()),
      async (body) => {
        const header = webhooks.generateTestHeaderString({ payload: body, secret, timestamp });
        const request = { method: 'POST', headers: { 'stripe-signature': header }, body };
        expect(await verifyRequest('stripe', request, now)).toEqual({ ok: true });
        expect(await verifyRequest('stripe', { ...request, body: `${body}x` }, now)).toMatchObject({ ok: false });
        expect(webhooks.signature?.verifyHeader(body, header, secret, 300)).toBe(true);
      },
    ),
    { numRuns: 50 },
  );
});
