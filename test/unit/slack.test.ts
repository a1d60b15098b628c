import { expect, test } from 'vitest';
import { signSlack } from '../../demo/sign.ts';
import { providers } from '../../src/providers/index.ts';
import { handshakeContext, verifyContext } from '../support/provider-context.ts';

const provider = providers.get('slack');
if (!provider) throw new Error('no provider');
const now = new Date('2025-03-04T12:00:00Z');
const secret = 'd2c5f0a1b3e4968778695a4b3c2d1e0f';
const channel = { secrets: { signingSecret: [secret] }, settings: {} };

function requestOf(body: string, headers: Record<string, string> = {}) {
  return {
    method: 'POST',
    url: 'https://post.example/',
    headers: new Headers(headers),
    body: new TextEncoder().encode(body),
  };
}

const challenge = JSON.stringify({ type: 'url_verification', challenge: '<b>x</b>' });
const form = { 'content-type': 'application/x-www-form-urlencoded' };

test('a challenge is answered as plain text, and only when its signature held', () => {
  const request = requestOf(challenge, { 'content-type': 'application/json' });
  expect(provider.handshake?.(request, channel, handshakeContext(now, { verified: false }))).toBeUndefined();
  expect(provider.handshake?.(request, channel, handshakeContext(now))).toEqual({
    status: 200,
    headers: { 'content-type': 'text/plain; charset=utf-8' },
    body: '<b>x</b>',
  });
});

test('the certificate probe is answered without a signature, and with nothing', () => {
  const probe = requestOf('ssl_check=1&token=x', form);
  expect(provider.handshake?.(probe, channel, handshakeContext(now, { verified: false }))).toEqual({ status: 200 });
  for (const body of ['ssl_check=0', 'command=ssl_check%3D1', challenge]) {
    expect(provider.handshake?.(requestOf(body, form), channel, handshakeContext(now))).toBeUndefined();
  }
  const asJson = requestOf('ssl_check=1', { 'content-type': 'application/json' });
  expect(provider.handshake?.(asJson, channel, handshakeContext(now, { verified: false }))).toBeUndefined();
});

test('the body is signed as its bytes, also where they are not UTF-8', () => {
  const body = Uint8Array.of(0x7b, 0xff, 0x7d);
  const { headers } = signSlack({ secret, body, now });
  const request = { method: 'POST', url: 'https://post.example/', headers: new Headers(headers), body };
  expect(provider.verify(request, channel, verifyContext(now))).toEqual({ ok: true });
  const replaced = { ...request, body: new TextEncoder().encode('{\u{fffd}}') };
  expect(provider.verify(replaced, channel, verifyContext(now))).toEqual({ ok: false, reason: 'bad_signature' });
});

test('a timestamp from the future is refused, although the signature holds', () => {
  const { headers } = signSlack({ secret, body: '{}', now: new Date(now.getTime() + 301_000) });
  expect(provider.verify(requestOf('{}', headers), channel, verifyContext(now))).toEqual({
    ok: false,
    reason: 'stale_timestamp',
  });
});

test('a mention and the message of the same post have one dedupe key', async () => {
  const post = { user: 'U1', channel: 'C1', ts: '1741089600.000100', text: 'hi', team: 'T1' };
  const keys = await Promise.all(
    ['message', 'app_mention'].map(async (type) => {
      const envelope = { type: 'event_callback', team_id: 'T1', event_id: type, event: { type, ...post } };
      return (await provider.parse(requestOf(JSON.stringify(envelope)), channel)).messages[0]?.dedupeKey;
    }),
  );
  expect(keys).toEqual(['T1:C1:1741089600.000100', 'T1:C1:1741089600.000100']);
});

test('fields of the wrong type count as absent, and the message is kept', async () => {
  const event = {
    type: 'message',
    user: 'U1',
    channel: 'C1',
    ts: 'not a time',
    text: 7,
    thread_ts: {},
    files: [null, 1, { id: 'F1', size: -1 }],
  };
  const envelope = { type: 'event_callback', team_id: 'T1', authorizations: 'x', event };
  const parsed = await provider.parse(requestOf(JSON.stringify(envelope)), channel);
  expect(parsed.messages).toMatchObject([
    { text: null, sentAt: null, channelThreadId: 'not a time', attachments: [{ providerId: 'F1', size: null }] },
  ]);
});
