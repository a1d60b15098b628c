import * as fc from 'fast-check';
import { validateRequest, validateRequestWithBody } from 'twilio/lib/webhooks/webhooks.js';
import { expect, test } from 'vitest';
import { signTwilioForm, signTwilioJson } from '../../../demo/sign.ts';
import { url } from '../signer.ts';
import { signers } from '../signers/index.ts';
import { anyText, verifyRequest } from '../verify-request.ts';

/** Our verifier, our signer and the provider's own code agree on what is signed. */
test('Twilio: forms of any fields, and JSON by its hash', async () => {
  const authToken = signers['twilio']?.secrets['authToken'] ?? '';
  const name = fc.oneof(fc.constantFrom('From', 'Body', 'To', 'a', 'B', '10', '9'), anyText);
  const params = fc
    .array(fc.tuple(name, anyText), { maxLength: 8 })
    .map((pairs) => Object.fromEntries(pairs.filter(([, value]) => value.isWellFormed())));
  await fc.assert(
    fc.asyncProperty(params, anyText, async (fields, body) => {
      const form = signTwilioForm({ authToken, url, params: fields });
      const signature = form.headers['x-twilio-signature'] ?? '';
      expect(validateRequest(authToken, signature, url, fields)).toBe(true);
      expect(await verifyRequest('twilio', form, new Date())).toEqual({ ok: true });

      const json = signTwilioJson({ authToken, url, body });
      const jsonSignature = json.headers['x-twilio-signature'] ?? '';
      expect(validateRequestWithBody(authToken, jsonSignature, json.url, body)).toBe(true);
      expect(validateRequestWithBody(authToken, jsonSignature, json.url, `${body}x`)).toBe(false);
      expect(await verifyRequest('twilio', json, new Date())).toEqual({ ok: true });
      expect(await verifyRequest('twilio', { ...json, body: `${body}x` }, new Date())).toEqual({
        ok: false,
        reason: 'bad_body',
      });
    }),
  );
});
