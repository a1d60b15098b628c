import * as fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { signStandardWebhook } from '../../../demo/sign.ts';
import { webhookHeaders } from '../../../src/lib/standard-webhooks.ts';
import { signers } from '../signers/index.ts';
import { anyText, verifyRequest } from '../verify-request.ts';

/** Our verifier, our signer and the provider's own code agree on what is signed. */
test('Standard Webhooks: what the SDK signs we accept, what we sign the SDK accepts', async () => {
  const secret = signers['standard-webhooks']?.secrets['secret'] ?? '';
  const sdk = new Webhook(secret);
  const now = new Date();
  const timestamp = Math.floor(now.getTime() / 1000);
  const id = fc.string({ unit: fc.constantFrom(...'abcXYZ019_-.'.split('')), minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(
      anyText.filter((body) => body.isWellFormed()),
      id,
      async (body, messageId) => {
        const theirs = signStandardWebhook({ secret, body, id: messageId, now });
        const ours = webhookHeaders([secret], messageId, timestamp, body);
        expect(ours).toEqual(expect.objectContaining({ 'webhook-signature': theirs.headers['webhook-signature'] }));
        sdk.verify(body, ours, { jsonParse: false });
        expect(await verifyRequest('standard-webhooks', theirs, now)).toEqual({ ok: true });
        expect(await verifyRequest('mime', { ...theirs, body: `${body}x` }, now)).toMatchObject({ ok: false });
      },
    ),
  );
});
