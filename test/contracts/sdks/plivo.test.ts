import * as fc from 'fast-check';
import { validateSignature, validateV3Signature } from 'plivo';
import { expect, test } from 'vitest';
import { makeFixture } from '../fixtures.ts';
import { hmacBase64, url } from '../signer.ts';
import { signers } from '../signers/index.ts';
import { anyText, verifyRequest } from '../verify-request.ts';

/** Our verifier, our signer and the provider's own code agree on what is signed. */

const signer = signers['plivo'];
if (!signer) throw new Error('no signer');
const authToken = signer.secrets['authToken'] ?? '';

/** Repeated fields included; Node's own parser, which the SDK uses, gives lists for those. */
const name = fc.oneof(fc.constantFrom('From', 'Text', 'To', 'a', 'B', '10', '9'), anyText);
const pairs = fc
  .array(fc.tuple(name, anyText), { maxLength: 8 })
  // As a property of the SDK's own objects it would be lost there.
  .map((list) => list.filter(([key, value]) => `${key}${value}`.isWellFormed() && key !== '__proto__'));

function paramsOf(list: readonly (readonly [string, string])[]): Record<string, string[]> {
  const names = [...new Set(list.map(([key]) => key))];
  return Object.fromEntries(names.map((key) => [key, list.flatMap(([each, value]) => (each === key ? [value] : []))]));
}

test('Plivo V3: forms with any fields, with and without a query in the URL', async () => {
  await fc.assert(
    fc.asyncProperty(pairs, fc.constantFrom('form', 'query', 'two-tokens'), async (list, variant) => {
      const bytes = new TextEncoder().encode(new URLSearchParams(list).toString());
      const signed = signer.sign(makeFixture(bytes, { variant }), signer.secrets, new Date());
      const { headers } = signed;
      const signature = headers['x-plivo-signature-v3'] ?? '';
      const nonce = headers['x-plivo-signature-v3-nonce'] ?? '';
      const target = signed.url ?? url;
      expect(validateV3Signature('POST', target, nonce, authToken, signature, paramsOf(list))).toBe(true);
      expect(validateV3Signature('POST', target, `${nonce}1`, authToken, signature, paramsOf(list))).toBe(false);
      expect(await verifyRequest('plivo', signed, new Date())).toEqual({ ok: true });
      const longer = Buffer.concat([Buffer.from('Extra=1&'), bytes]);
      expect(await verifyRequest('plivo', { ...signed, body: longer }, new Date())).toEqual({
        ok: false,
        reason: 'bad_signature',
      });
    }),
  );
});

test('Plivo V3: a GET with any query', async () => {
  await fc.assert(
    fc.asyncProperty(pairs, async (list) => {
      const bytes = new TextEncoder().encode(new URLSearchParams(list).toString());
      const signed = signer.sign(makeFixture(bytes, { variant: 'get' }), signer.secrets, new Date());
      const signature = signed.headers['x-plivo-signature-v3'] ?? '';
      const nonce = signed.headers['x-plivo-signature-v3-nonce'] ?? '';
      expect(validateV3Signature('GET', signed.url ?? url, nonce, authToken, signature)).toBe(true);
      expect(await verifyRequest('plivo', signed, new Date())).toEqual({ ok: true });
    }),
  );
});

test('Plivo V2: the URL without its query, and the nonce', async () => {
  const nonce = '05429567804466091622';
  const signature = hmacBase64('sha256', authToken, `${url}${nonce}`);
  const target = `${url}?tenant=1`;
  expect(validateSignature(target, nonce, signature, authToken)).toBe(true);
  for (const prefix of ['x-plivo-signature-', 'x-plivo-signature-ma-']) {
    const headers = { [`${prefix}v2`]: signature, 'x-plivo-signature-v2-nonce': nonce };
    const request = { method: 'POST', url: target, headers, body: 'MessageUUID=1' };
    expect(await verifyRequest('plivo', request, new Date(), { allowV2: true })).toEqual({ ok: true });
    expect(await verifyRequest('plivo', request, new Date())).toEqual({ ok: false, reason: 'missing_signature' });
  }
});
