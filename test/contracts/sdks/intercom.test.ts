import { createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { providers } from '../../../src/providers/index.ts';
import { verifyContext } from '../../support/provider-context.ts';

/**
 * Intercom publishes no code that checks its signature, and its documentation shows one without
 * the secret. So: the vector of the RFC, and Node's own HMAC-SHA1 over any body.
 */
async function verify(clientSecret: string, body: string, signature: string) {
  const provider = providers.get('intercom');
  const channel = { secrets: { clientSecret: [clientSecret] }, settings: provider?.settings.parse({}) ?? {} };
  const headers = new Headers({ 'x-hub-signature': signature });
  const request = { method: 'POST', url: 'https://post.example/in/1', headers, body: new TextEncoder().encode(body) };
  return await provider?.verify(request, channel, verifyContext(new Date()));
}

/** Source: https://www.rfc-editor.org/rfc/rfc2202, case 2. */
test('Intercom: the HMAC-SHA1 of RFC 2202 is accepted', async () => {
  const signature = 'sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79';
  expect(await verify('Jefe', 'what do ya want for nothing?', signature)).toEqual({ ok: true });
  expect(await verify('Jefe', 'what do ya want for nothing', signature)).toMatchObject({ ok: false });
});

test("Intercom: any body's signature is accepted, and for no other body", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme' }), fc.string({ minLength: 1 }), async (body, secret) => {
      const signature = `sha1=${createHmac('sha1', secret).update(new TextEncoder().encode(body)).digest('hex')}`;
      expect(await verify(secret, body, signature)).toEqual({ ok: true });
      expect(await verify(secret, `${body}x`, signature)).toEqual({ ok: false, reason: 'bad_signature' });
    }),
  );
});
