import { expect, test } from 'vitest';
import { providers } from '../../src/providers/index.ts';
import { handshakeContext } from '../support/provider-context.ts';

const provider = providers.get('discord');
if (!provider) throw new Error('no provider');
const now = new Date('2025-03-04T12:00:00Z');
const channel = { secrets: { publicKey: [] }, settings: provider.settings.parse({}) };

function requestOf(body: unknown) {
  return {
    method: 'POST',
    url: 'https://post.example/',
    headers: new Headers({ 'content-type': 'application/json' }),
    body: new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body)),
  };
}

test('a ping is answered only when its signature held: Discord tries false ones and wants them refused', () => {
  for (const type of [0, 1]) {
    const request = requestOf({ type, version: 1, application_id: '1' });
    expect(provider.handshake?.(request, channel, handshakeContext(now, { verified: false }))).toBeUndefined();
    expect(provider.handshake?.(request, channel, handshakeContext(now))).toMatchObject({
      status: type === 0 ? 204 : 200,
    });
  }
});

test('a webhook event has type 1 like a ping, and is not taken for one', async () => {
  const request = requestOf({ type: 1, application_id: '1', event: { type: 'ENTITLEMENT_CREATE', data: {} } });
  expect(provider.handshake?.(request, channel, handshakeContext(now))).toBeUndefined();
  expect(provider.acknowledge?.(request, channel)).toMatchObject({ status: 204 });
  expect((await provider.parse(request, channel)).ignored).toEqual([{ reason: 'event_entitlement_create' }]);
});

test('what cannot be read is acknowledged all the same', () => {
  for (const body of ['{', '[]', '{"type":"2"}', '{"event":1}']) {
    expect(provider.acknowledge?.(requestOf(body), channel)).toMatchObject({ status: 204 });
  }
});

test('a public key is 64 hex digits', () => {
  const valid = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a';
  expect(provider.secrets.safeParse({ publicKey: valid }).success).toBe(true);
  for (const publicKey of [valid.slice(1), `${valid}0`, valid.replace('d', 'g'), '']) {
    expect(provider.secrets.safeParse({ publicKey }).success).toBe(false);
  }
});

test('the time of an id is taken from ids alone that are one', async () => {
  const ask = (id: string) => requestOf({ id, type: 2, data: { name: 'ask' }, user: { id: '1' } });
  for (const id of ['99999999999999999999', 'x', '-1']) {
    expect((await provider.parse(ask(id), channel)).messages[0]?.sentAt).toBeNull();
  }
});
