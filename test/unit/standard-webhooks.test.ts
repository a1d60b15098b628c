import { generateKeyPairSync, sign as signEd25519 } from 'node:crypto';
import { expect, test } from 'vitest';
import { signStandardWebhook } from '../../demo/sign.ts';
import { newWebhookSecret, webhookHeaders, webhookKey, webhookPublicKey } from '../../src/lib/standard-webhooks.ts';
import { providers } from '../../src/providers/index.ts';
import { isDeeperThan, keepJson } from '../../src/providers/kit/body/kept-json.ts';
import { jsonPointer, readPointer } from '../../src/providers/kit/json-message/pointer.ts';
import { verifyContext } from '../support/provider-context.ts';

const provider = providers.get('standard-webhooks');
if (!provider) throw new Error('no provider');
const now = new Date('2025-03-04T12:00:00Z');
const seconds = now.getTime() / 1000;
const secret = newWebhookSecret();
const body = new TextEncoder().encode('{"sender":"u1"}');

function verify(headers: Record<string, string>, secrets: string | string[] = secret, bytes: Uint8Array = body) {
  const request = { method: 'POST', url: 'https://post.example/', headers: new Headers(headers), body: bytes };
  return provider?.verify(
    request,
    { secrets: provider.secrets.parse({ secret: secrets }), settings: {} },
    verifyContext(now),
  );
}

function renamed(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.replace('webhook-', 'svix-'), value]));
}

test('the header names of Svix are accepted, as a whole set', () => {
  const headers = webhookHeaders([secret], 'msg_1', seconds, body);
  expect(verify(renamed(headers))).toEqual({ ok: true });
  expect(verify({ ...renamed(headers), ...headers })).toEqual({ ok: true });
  const { 'webhook-id': id = '', ...rest } = headers;
  expect(verify({ ...rest, 'svix-id': id })).toEqual({ ok: false, reason: 'missing_id' });
});

test('one matching signature of several is enough, unknown versions are skipped', () => {
  const headers = webhookHeaders([newWebhookSecret(), secret], 'msg_1', seconds, body);
  expect(verify(headers)).toEqual({ ok: true });
  const signature = `v9,abc v2 ,,x ${headers['webhook-signature']} v1,`;
  expect(verify({ ...headers, 'webhook-signature': signature })).toEqual({ ok: true });
  const flood = `${'v1,x '.repeat(40)}${headers['webhook-signature']}`;
  expect(verify({ ...headers, 'webhook-signature': flood })).toEqual({ ok: false, reason: 'bad_signature' });
});

test('bodies that are not UTF-8, and empty ones, are signed as their bytes', () => {
  for (const bytes of [Uint8Array.of(0xff, 0x00, 0xfe), new Uint8Array()]) {
    const { headers } = signStandardWebhook({ secret, body: bytes, now });
    expect(verify(headers, secret, bytes)).toEqual({ ok: true });
    expect(verify(headers, secret, Uint8Array.of(...bytes, 0xff))).toMatchObject({ ok: false });
  }
  const replacement = new TextEncoder().encode('\u{fffd}');
  const { headers } = signStandardWebhook({ secret, body: Uint8Array.of(0xff), now });
  expect(verify(headers, secret, replacement)).toMatchObject({ ok: false });
});

test('v1a signatures verify with the public key, alone or beside others', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const whpk = `whpk_${Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url').toString('base64')}`;
  const signed = Buffer.concat([Buffer.from(`msg_1.${seconds}.`), body]);
  const signature = `v1a,${signEd25519(null, signed, privateKey).toString('base64')}`;
  const headers = { 'webhook-id': 'msg_1', 'webhook-timestamp': String(seconds), 'webhook-signature': signature };
  expect(verify(headers, whpk)).toEqual({ ok: true });
  expect(verify(headers, [secret, whpk])).toEqual({ ok: true });
  expect(verify(headers, secret)).toMatchObject({ ok: false });
  expect(verify({ ...headers, 'webhook-id': 'msg_2' }, whpk)).toMatchObject({ ok: false });
  expect(verify({ ...headers, 'webhook-signature': signature.replace('v1a', 'v1') }, whpk)).toMatchObject({
    ok: false,
  });
  // A public key is no secret: it must never work as the key of an HMAC.
  const bytes = Buffer.from(whpk.slice(5), 'base64').toString('base64');
  const forged = webhookHeaders([`whsec_${bytes}`], 'msg_1', seconds, body);
  expect(verify(forged, whpk)).toMatchObject({ ok: false });
});

test('timestamps that only look like numbers are refused', () => {
  for (const timestamp of [
    `${seconds}.0`,
    `+${seconds}`,
    `0x${seconds.toString(16)}`,
    `${seconds}000`,
    `${seconds}abc`,
  ]) {
    const headers = { ...webhookHeaders([secret], 'msg_1', seconds, body), 'webhook-timestamp': timestamp };
    expect(verify(headers)).toMatchObject({ ok: false, reason: expect.stringMatching(/_timestamp$/) });
  }
});

test('secrets that the scheme cannot use are refused when the channel is made', () => {
  for (const bad of ['whsec_', 'whsec_not base64', 'whpk_AAAA', 'a', '']) {
    expect(provider.secrets.safeParse({ secret: bad }).success).toBe(false);
  }
  expect(webhookKey('whpk_AAAA')).toBeUndefined();
  expect(webhookPublicKey(secret)).toBeUndefined();
});

test('a JSON pointer reads own fields and members, and nothing else', () => {
  const document = { a: { '': 1, '~/': 2 }, list: [10, [20]], n: null };
  expect(readPointer(document, '')).toBe(document);
  expect(readPointer(document, '/a/')).toBe(1);
  expect(readPointer(document, '/a/~0~1')).toBe(2);
  expect(readPointer(document, '/list/1/0')).toBe(20);
  for (const pointer of ['/list/01', '/list/-', '/list/length', '/list/2', '/n/x', '/a/constructor', '/__proto__']) {
    expect(readPointer(document, pointer)).toBeUndefined();
  }
  for (const pointer of ['a', '/~', '/~2', `/${'a'.repeat(600)}`]) {
    expect(jsonPointer.safeParse(pointer).success).toBe(false);
  }
});

const nested = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels));

test('depth is counted without recursion', () => {
  expect(isDeeperThan(nested(64), 64)).toBe(false);
  expect(isDeeperThan(nested(65), 64)).toBe(true);
  expect(isDeeperThan(nested(200_000), 64)).toBe(true);
  expect(isDeeperThan('text', 0)).toBe(false);
});

test('a payload over 64 KiB is left out of the metadata, and the text stays whole', async () => {
  const text = 'x'.repeat(70_000);
  const large = new TextEncoder().encode(JSON.stringify({ sender: 'u1', text }));
  const request = {
    method: 'POST',
    url: 'https://post.example/',
    headers: new Headers({ 'webhook-id': 'm' }),
    body: large,
  };
  const parsed = await provider.parse(request, { secrets: {}, settings: provider.settings.parse({}) });
  expect(parsed.messages[0]?.text).toBe(text);
  expect(parsed.messages[0]?.channelMetadata).toEqual({ webhookId: 'm', payloadOmitted: 'too_large' });
});

test('a number beyond doubles becomes null, so that the metadata is JSON', () => {
  expect(keepJson({ amount: Number.POSITIVE_INFINITY, items: [1, -Infinity] }, 20)).toEqual({
    kept: { amount: null, items: [1, null] },
  });
});
