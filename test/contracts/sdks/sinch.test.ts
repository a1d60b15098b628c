import * as fc from 'fast-check';
import { expect, test } from 'vitest';
// By its path: the package's entry needs @sinch/sdk-core, which it does not bring along.
import { validateWebhookSignature } from '../../../node_modules/@sinch/sdk-client/dist/utils/authorization.helper.js';
import { makeFixture } from '../fixtures.ts';
import { hmacBase64 } from '../signer.ts';
import { signers } from '../signers/index.ts';
import { anyText, verifyRequest } from '../verify-request.ts';

/** Our verifier, our signer and the provider's own code agree on what is signed. */
test('Sinch: what its SDK accepts we accept, and what it refuses we refuse', async () => {
  const signer = signers['sinch'];
  if (!signer) throw new Error('no signer');
  const secret = signer.secrets['webhookSecret'] ?? '';
  const now = new Date();
  await fc.assert(
    fc.asyncProperty(
      anyText.filter((body) => body.isWellFormed()),
      async (body) => {
        const bytes = new TextEncoder().encode(body);
        const { headers } = signer.sign(makeFixture(bytes), signer.secrets, now);
        expect(validateWebhookSignature(secret, headers, body)).toBe(true);
        expect(await verifyRequest('sinch', { method: 'POST', headers, body }, now)).toEqual({ ok: true });

        const nonce = { ...headers, 'x-sinch-webhook-signature-nonce': 'another' };
        for (const changed of [
          { method: 'POST', headers, body: `${body}x` },
          { method: 'POST', headers: nonce, body },
        ]) {
          expect(validateWebhookSignature(secret, changed.headers, changed.body)).toBe(false);
          expect(await verifyRequest('sinch', changed, now)).toEqual({ ok: false, reason: 'bad_signature' });
        }
      },
    ),
    { numRuns: 50 },
  );
});

test('Sinch: an older signature is taken where the channel says so', async () => {
  const secret = signers['sinch']?.secrets['webhookSecret'] ?? '';
  const now = new Date();
  const timestamp = String(Math.floor(now.getTime() / 1000) - 7_200);
  const headers = {
    'x-sinch-webhook-signature': hmacBase64('sha256', secret, `{}.n0nce.${timestamp}`),
    'x-sinch-webhook-signature-nonce': 'n0nce',
    'x-sinch-webhook-signature-timestamp': timestamp,
  };
  const request = { method: 'POST', headers, body: '{}' };
  expect(await verifyRequest('sinch', request, now)).toEqual({ ok: false, reason: 'stale_timestamp' });
  expect(await verifyRequest('sinch', request, now, { toleranceSeconds: 86_400 })).toEqual({ ok: true });
});
