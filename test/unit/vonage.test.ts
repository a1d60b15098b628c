import { generateKeyPairSync } from 'node:crypto';
import { jwtVerify } from 'jose';
import { expect, test } from 'vitest';
import { vonage } from '../../src/providers/vonage/index.ts';
import { signHmacToken } from '../contracts/signers/hmac-token.ts';
import { signer, signVonageSms, vonageApplicationId, vonageClaims } from '../contracts/signers/vonage.ts';
import { verifyContext } from '../support/provider-context.ts';

const now = new Date('2025-03-04T12:00:00Z');
const secret = signer.secrets['signatureSecret'] ?? '';
const params = { msisdn: '447700900001', to: '14157386102', messageId: 'M1', text: 'hi', timestamp: '1741089600' };

type Given = { method?: string; query?: string; token?: string; body?: string; settings?: Record<string, unknown> };

async function verify({ method = 'POST', query = '', token, body = '', settings = {} }: Given, at = now) {
  const request = {
    method,
    url: `https://post.example.com/in/1${query}`,
    headers: new Headers(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    body: new TextEncoder().encode(body),
  };
  const channel = {
    secrets: { signatureSecret: [secret], privateKey: [] },
    settings: vonage.settings.parse(settings),
  };
  return await vonage.verify(request, channel, verifyContext(at));
}

function signed(fields: Record<string, string>): string {
  return new URLSearchParams({ ...fields, sig: signVonageSms(fields, secret, 'sha256') }).toString();
}

const bySms = { settings: { smsSignature: 'sha256' } };

test('a signed SMS counts only where the settings name its algorithm', async () => {
  expect(await verify({ body: signed(params), ...bySms })).toEqual({ ok: true });
  expect(await verify({ body: signed(params) })).toEqual({ ok: false, reason: 'missing_credentials' });
});

test('an SMS may come again for a day, and not from the future', async () => {
  const later = (seconds: number): Date => new Date(now.getTime() + seconds * 1000);
  const body = signed(params);
  expect(await verify({ body, ...bySms }, later(86_400))).toEqual({ ok: true });
  expect(await verify({ body, ...bySms }, later(86_401))).toEqual({ ok: false, reason: 'stale_timestamp' });
  expect(await verify({ body, ...bySms }, later(-301))).toEqual({ ok: false, reason: 'stale_timestamp' });
  const { timestamp: _left, ...timeless } = params;
  expect(await verify({ body: signed(timeless), ...bySms })).toEqual({ ok: false, reason: 'missing_timestamp' });
});

test('parameters that could be read in two ways are no signed SMS', async () => {
  const sig = signVonageSms(params, secret, 'sha256');
  // One name that stands for two parameters gives the same signed text.
  const merged = new URLSearchParams([
    ['messageId', params.messageId],
    ['msisdn', params.msisdn],
    [`text=hi&timestamp=1741089600&to`, params.to],
    ['sig', sig],
  ]).toString();
  for (const body of [
    merged,
    `${signed(params)}&text=again`,
    JSON.stringify({ ...params, sig, image: { url: 'https://evil.example' } }),
    Array.from({ length: 101 }, (_, index) => `a${index}=1`).join('&') + `&sig=${sig}`,
  ]) {
    expect(await verify({ body, ...bySms })).toEqual({ ok: false, reason: 'missing_credentials' });
  }
});

test('a token that covers no body, or another application, is refused', async () => {
  const claims = vonageClaims('{}', now);
  const sign = (change: Record<string, unknown>): string => signHmacToken('HS256', secret, { ...claims, ...change });
  expect(await verify({ body: '{}', token: sign({}) })).toEqual({ ok: true });
  for (const change of [{ payload_hash: undefined }, { iat: undefined }, { iss: 'Somebody' }]) {
    expect(await verify({ body: '{}', token: sign(change) })).toEqual({ ok: false, reason: 'bad_token' });
  }
  const settings = { applicationId: vonageApplicationId };
  expect(await verify({ body: '{}', token: sign({}), settings })).toEqual({ ok: true });
  const other = { body: '{}', token: sign({ application_id: 'other' }), settings };
  expect(await verify(other)).toEqual({ ok: false, reason: 'bad_token' });
  const get = {
    method: 'GET',
    query: '?msisdn=1&messageId=2',
    token: sign({ payload_hash: vonageClaims('', now)['payload_hash'] }),
  };
  expect(await verify(get)).toEqual({ ok: false, reason: 'bad_body' });
});

test("a file at Vonage is asked for with a token of the application's, and no other is", async () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const asked: (string | undefined)[] = [];
  const fetch = async (url: string, request: { headers?: Readonly<Record<string, string>> } = {}) => {
    asked.push(request.headers?.['authorization']);
    const isFirst = url.startsWith('https://api.nexmo.com/');
    const headers = new Headers(isFirst ? { location: 'https://bucket.example.com/1' } : {});
    return { status: isFirst ? 302 : 200, headers, body: new Uint8Array() };
  };
  const event = {
    method: 'POST',
    url: 'https://post.example.com/in/1',
    headers: new Headers(),
    body: new Uint8Array(),
  };
  await vonage.fetchAttachment?.(
    { name: null, contentType: null, size: null, url: 'https://api.nexmo.com/v3/media/1', providerId: null },
    {
      secrets: {
        signatureSecret: [secret],
        privateKey: ['rotated away', privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()],
      },
      settings: { applicationId: vonageApplicationId },
    },
    { now, event, fetch },
  );
  expect(asked).toHaveLength(2);
  expect(asked[1]).toBeUndefined();
  const { payload } = await jwtVerify((asked[0] ?? '').slice('Bearer '.length), publicKey, { currentDate: now });
  expect(payload).toMatchObject({ application_id: vonageApplicationId, iat: 1741089600, exp: 1741089900 });
});
