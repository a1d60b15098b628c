import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js';
import { expect, test } from 'vitest';
import { signTwilioForm, signTwilioGet, signTwilioJson } from '../../demo/sign.ts';
import { providers } from '../../src/providers/index.ts';
import { verifyContext } from '../support/provider-context.ts';

const provider = providers.get('twilio');
if (!provider) throw new Error('no provider');
const authToken = '0f1e2d3c4b5a69788796a5b4c3d2e1f0';
const params = { MessageSid: 'SM1', From: '+14155550123', To: '+14155550100', Body: "it's" };

type Signed = { method: string; url: string; headers: Record<string, string>; body: string | Uint8Array };

function requestOf(signed: Signed, received = signed.url) {
  const body = typeof signed.body === 'string' ? new TextEncoder().encode(signed.body) : signed.body;
  return { method: signed.method, url: received, headers: new Headers(signed.headers), body };
}

function verify(signed: Signed, received?: string, settings: Record<string, unknown> = {}) {
  const channel = { secrets: { authToken: [authToken] }, settings: provider?.settings.parse(settings) ?? {} };
  return provider?.verify(requestOf(signed, received), channel, verifyContext(new Date()));
}

const refused = { ok: false, reason: 'bad_signature' };

test('the URL may have been signed with or without the standard port', () => {
  for (const [signed, received] of [
    ['https://post.example/in/1', 'https://post.example:443/in/1'],
    ['https://post.example:443/in/1', 'https://post.example/in/1'],
    ['http://post.example:80/in/1', 'http://post.example/in/1'],
  ] as const) {
    expect(verify(signTwilioForm({ authToken, url: signed, params }), received)).toEqual({ ok: true });
  }
});

test('the URL may have been signed with its query escaped the older way', () => {
  const signed = signTwilioForm({ authToken, url: 'https://post.example/in/1?q=it%27s', params });
  expect(verify(signed, "https://post.example/in/1?q=it's")).toEqual({ ok: true });
});

test('another scheme, host, path or query is refused', () => {
  const signed = signTwilioForm({ authToken, url: 'https://post.example/in/1?a=b', params });
  expect(verify(signed)).toEqual({ ok: true });
  expect(verify(signed, 'https://post.example/in/1?a=b#rc=2')).toEqual({ ok: true });
  for (const received of [
    'http://post.example/in/1?a=b',
    'https://evil.example/in/1?a=b',
    'https://post.example/in/2?a=b',
    'https://post.example/in/1?a=c',
    'https://post.example/in/1',
    'not a url',
  ]) {
    expect(verify(signed, received)).toEqual(refused);
  }
});

test("publicUrl replaces what a proxy rewrote, and the query stays the request's", () => {
  const settings = { publicUrl: 'https://hooks.example.com/sms' };
  const form = signTwilioForm({ authToken, url: settings.publicUrl, params });
  expect(verify(form, 'http://10.0.0.7/in/1', settings)).toEqual({ ok: true });
  expect(verify(form, 'http://10.0.0.7/in/1')).toEqual(refused);
  const json = signTwilioJson({ authToken, url: settings.publicUrl, body: '{}' });
  const received = json.url.replace(settings.publicUrl, 'http://10.0.0.7/in/1');
  expect(verify(json, received, settings)).toEqual({ ok: true });
});

test('every field is covered, whatever it is called', () => {
  const signed = signTwilioForm({ authToken, url: 'https://post.example/in/1', params });
  for (const extra of ['__proto__=x', 'constructor=x', 'MediaUrl0=https://evil.example', 'Body=again']) {
    expect(verify({ ...signed, body: `${String(signed.body)}&${extra}` })).toEqual(refused);
  }
  expect(verify({ ...signed, body: `?${String(signed.body)}` })).toEqual(refused);
});

test('a form of very many fields is refused before it is sorted', () => {
  const body = Array.from({ length: 200_000 }, (_, index) => index.toString(36)).join('&');
  const signed = signTwilioForm({ authToken, url: 'https://post.example/in/1', params });
  const started = performance.now();
  expect(verify({ ...signed, body })).toEqual({ ok: false, reason: 'bad_body' });
  expect(performance.now() - started).toBeLessThan(500);
});

test('blank and unknown fields, and spaces, are signed as they are', () => {
  const odd = { ...params, Blank: '', ' Space ': ' x ', 'ü€': '😀' };
  expect(verify(signTwilioForm({ authToken, url: 'https://post.example/in/1', params: odd }))).toEqual({ ok: true });
});

test('parse reads nothing that the signature does not cover', async () => {
  const channel = { secrets: {}, settings: {} };
  const get = signTwilioGet({ authToken, url: 'https://post.example/in/1', params });
  const withBody = requestOf({ ...get, body: 'From=%2B1999&MessageSid=SM9' });
  expect((await provider.parse(withBody, channel)).messages).toMatchObject([{ externalIdentity: '+14155550123' }]);
  const form = signTwilioForm({ authToken, url: 'https://post.example/in/1?From=%2B1999', params });
  expect((await provider.parse(requestOf(form), channel)).messages).toMatchObject([
    { externalIdentity: '+14155550123' },
  ]);
});

test('a JSON body without its hash in the URL is refused', () => {
  const url = 'https://post.example/in/1';
  const headers = {
    'content-type': 'application/json',
    'x-twilio-signature': getExpectedTwilioSignature(authToken, url, {}),
  };
  expect(verify({ method: 'POST', url, headers, body: '{"MessageSid":"SM9"}' })).toEqual(refused);
});

test('two hashes in the URL, or one that is none, cover nothing', () => {
  const { url } = signTwilioJson({ authToken, url: 'https://post.example/in/1', body: '{}' });
  for (const signed of [`${url}&bodySHA256=${'0'.repeat(64)}`, 'https://post.example/in/1?bodySHA256=', `${url}0`]) {
    const headers = { 'x-twilio-signature': getExpectedTwilioSignature(authToken, signed, {}) };
    expect(verify({ method: 'POST', url: signed, headers, body: '{}' })).toEqual({ ok: false, reason: 'bad_body' });
  }
});

test('the answer is empty TwiML, so that nothing is sent back as a message', () => {
  const request = { method: 'POST', url: '', headers: new Headers(), body: new Uint8Array() };
  expect(provider.acknowledge?.(request, { secrets: {}, settings: {} })).toMatchObject({
    status: 200,
    headers: { 'content-type': expect.stringContaining('text/xml') },
    body: '<?xml version="1.0" encoding="UTF-8"?><Response/>',
  });
});
