import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { providers } from '../../src/providers/index.ts';
import { handshakeContext, verifyContext } from '../support/provider-context.ts';

const provider = providers.get('whatsapp-cloud');
if (!provider) throw new Error('no provider');
const now = new Date('2025-03-04T12:00:00Z');
const channel = { secrets: { appSecret: ['app-secret'], verifyToken: ['new-token', 'old-token'] }, settings: {} };

function requestOf(query: string, method = 'GET', headers: Record<string, string> = {}) {
  const url = `https://post.example/in/1${query}`;
  return { method, url, headers: new Headers(headers), body: new Uint8Array() };
}

function shake(query: string, method = 'GET') {
  return provider?.handshake?.(requestOf(query, method), channel, handshakeContext(now, { verified: false }));
}

const answered = { status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: '1158201444' };

test('the bare challenge goes to whoever knows a live verify token', () => {
  for (const token of ['new-token', 'old-token']) {
    const query = `?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=${token}`;
    expect(shake(query)).toEqual(answered);
  }
});

test.each([
  ['a wrong token', '?hub.mode=subscribe&hub.challenge=1&hub.verify_token=new-tokem'],
  ['a cut token', '?hub.mode=subscribe&hub.challenge=1&hub.verify_token=new-toke'],
  ['a token in other letters', '?hub.mode=subscribe&hub.challenge=1&hub.verify_token=NEW-TOKEN'],
  ['the app secret', '?hub.mode=subscribe&hub.challenge=1&hub.verify_token=app-secret'],
  ['an empty token', '?hub.mode=subscribe&hub.challenge=1&hub.verify_token='],
  ['no token', '?hub.mode=subscribe&hub.challenge=1'],
  ['two tokens', '?hub.mode=subscribe&hub.challenge=1&hub.verify_token=new-token&hub.verify_token=x'],
  ['no challenge', '?hub.mode=subscribe&hub.verify_token=new-token'],
  ['two challenges', '?hub.mode=subscribe&hub.challenge=1&hub.challenge=2&hub.verify_token=new-token'],
  ['another mode', '?hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=new-token'],
  ['no mode', '?hub.challenge=1&hub.verify_token=new-token'],
  ['a fragment', '#?hub.mode=subscribe&hub.challenge=1&hub.verify_token=new-token'],
  ['no query', ''],
])('%s gets no answer', (_what, query) => {
  expect(shake(query)).toBeUndefined();
});

test('only a GET is a handshake', () => {
  expect(shake('?hub.mode=subscribe&hub.challenge=1&hub.verify_token=new-token', 'POST')).toBeUndefined();
});

test('a GET never verifies, even where an empty body is signed', () => {
  const signature = `sha256=${createHmac('sha256', 'app-secret').digest('hex')}`;
  const signed = requestOf('', 'GET', { 'x-hub-signature-256': signature });
  expect(provider.verify(signed, channel, verifyContext(now))).toEqual({ ok: false, reason: 'missing_signature' });
  expect(provider.verify({ ...signed, method: 'POST' }, channel, verifyContext(now))).toEqual({ ok: true });
  const handshake = requestOf('?hub.verify_token=wrong');
  expect(provider.verify(handshake, channel, verifyContext(now))).toEqual({ ok: false, reason: 'bad_signature' });
});
