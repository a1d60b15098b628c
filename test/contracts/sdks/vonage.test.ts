import { verifySignature } from '@vonage/jwt';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { vonage } from '../../../src/providers/vonage/index.ts';
import { verifyContext } from '../../support/provider-context.ts';
import { url } from '../signer.ts';
import { signHmacToken } from '../signers/hmac-token.ts';
import { signer, vonageClaims } from '../signers/vonage.ts';
import { anyText } from '../verify-request.ts';

const secret = signer.secrets['signatureSecret'] ?? '';

type Given = {
  method?: string;
  url?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  secret?: string;
  settings?: Record<string, unknown>;
  now: Date;
};

async function verify(given: Given) {
  const { body = '' } = given;
  const request = {
    method: given.method ?? 'POST',
    url: given.url ?? url,
    headers: new Headers(given.headers),
    body: typeof body === 'string' ? new TextEncoder().encode(body) : body,
  };
  const channel = {
    secrets: { signatureSecret: [given.secret ?? secret], privateKey: [] },
    settings: vonage.settings.parse(given.settings ?? {}),
  };
  return await vonage.verify(request, channel, verifyContext(given.now));
}

/** Our verifier, our signer and the provider's own code agree on what is signed. */
test('Vonage: what we accept, its SDK accepts, and no byte may change', async () => {
  const now = new Date();
  await fc.assert(
    fc.asyncProperty(anyText, fc.uint8Array({ maxLength: 3 }), async (text, tail) => {
      const body = Buffer.concat([Buffer.from(text), tail]);
      const token = signHmacToken('HS256', secret, vonageClaims(body, now));
      const headers = { authorization: `Bearer ${token}` };
      expect(verifySignature(token, secret)).toBe(true);
      expect(await verify({ headers, body, now })).toEqual({ ok: true });
      const longer = Buffer.concat([body, Buffer.of(32)]);
      expect(await verify({ headers, body: longer, now })).toEqual({ ok: false, reason: 'bad_body' });
      const forged = signHmacToken('HS256', `${secret}x`, vonageClaims(body, now));
      expect(verifySignature(forged, secret)).toBe(false);
      expect(await verify({ headers: { authorization: `Bearer ${forged}` }, body, now })).toEqual({
        ok: false,
        reason: 'bad_signature',
      });
    }),
    { numRuns: 50 },
  );
});

/**
 * The signed SMS that Vonage's SDK is tested with, by each algorithm.
 * Source: Vonage/vonage-node-sdk, packages/sms/__tests__/__dataSets__/signature.ts.
 */
const params = {
  'message-timestamp': '2013-11-21 15:27:30',
  messageId: '020000001B0FE827',
  msisdn: '14843472194',
  text: 'Test again',
  timestamp: '1385047698',
  to: '13239877404',
  type: 'text',
};
const vectors = [
  ['md5hash', 'd2e7b1dc968737c5998ad624e02f90b7'],
  ['md5', 'DDEBD46008C2D4E93CCE578A332A52D5'],
  ['sha1', '27D0D05C2876C7CB1720DBCDBA4D492E1E55C09A'],
  ['sha256', 'DDB8397C2B90AAC7F3882D306475C9A5058C92322EEF43C92B298B6E0FC0D330'],
  [
    'sha512',
    'E0D3C650F8C9D1A5C174D10DDDBFB003E561F59B265616208B0487C5D819481CD3C311D59CF6165ECD1139622D5BA3A256C0D763AC4A9AD9144B5A426B94FE82',
  ],
] as const;

describe("Vonage: its SDK's signed SMS", () => {
  const now = new Date(1_385_047_698_000);

  test.each(vectors)('%s', async (algorithm, sig) => {
    const settings = { smsSignature: algorithm };
    const given = { secret: 'my_secret_key_for_testing', settings, now };
    const form = new URLSearchParams({ ...params, sig }).toString();
    const json = JSON.stringify({ ...params, sig });
    expect(await verify({ ...given, body: form })).toEqual({ ok: true });
    expect(await verify({ ...given, body: json })).toEqual({ ok: true });
    expect(await verify({ ...given, method: 'GET', url: `${url}?${form}` })).toEqual({ ok: true });
    expect(await verify({ ...given, body: form.replace('again', 'agaim') })).toEqual({
      ok: false,
      reason: 'bad_signature',
    });
    for (const [other] of vectors.filter(([name]) => name !== algorithm)) {
      expect(await verify({ ...given, settings: { smsSignature: other }, body: form })).toMatchObject({ ok: false });
    }
  });
});
