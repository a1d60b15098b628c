import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { signSlack } from '../../demo/sign.ts';
import { parsedMessage, type Parsed, type WebhookRequest } from '../../src/provider.ts';
import { providers } from '../../src/providers/index.ts';
import { anyBody } from '../contracts/bodies.ts';
import { readFixtures } from '../contracts/fixtures.ts';
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
const formType = { 'content-type': 'application/x-www-form-urlencoded' };

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
  const probe = requestOf('ssl_check=1&token=x', formType);
  expect(provider.handshake?.(probe, channel, handshakeContext(now, { verified: false }))).toEqual({ status: 200 });
  for (const body of ['ssl_check=0', 'command=ssl_check%3D1', challenge]) {
    expect(provider.handshake?.(requestOf(body, formType), channel, handshakeContext(now))).toBeUndefined();
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

async function parseOrError(request: WebhookRequest): Promise<Parsed | Error> {
  try {
    return (await provider?.parse(request, channel)) ?? new Error('no provider');
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

const form = (payload: unknown) => new URLSearchParams({ payload: JSON.stringify(payload) }).toString();

test('the same action by the same trigger is one message, and another action by it is another', async () => {
  const press = { type: 'block_actions', trigger_id: '1.2.3', user: { id: 'U1', team_id: 'T1' }, team: { id: 'T1' } };
  const keys = await Promise.all(
    [press, { ...press, response_url: 'https://hooks.slack.com/x' }, { ...press, type: 'view_submission' }].map(
      async (payload) => (await provider.parse(requestOf(form(payload), formType), channel)).messages[0]?.dedupeKey,
    ),
  );
  expect(keys).toEqual(['block_actions:1.2.3', 'block_actions:1.2.3', 'view_submission:1.2.3']);
});

test('nothing is shown to who uses a command or presses a button', () => {
  const requests = [
    requestOf('command=%2Fx', formType),
    requestOf(form({ type: 'view_submission' }), formType),
    requestOf('payload=%7B', formType),
    requestOf('{}', { 'content-type': 'application/json' }),
  ];
  for (const request of requests) expect(provider.acknowledge?.(request, channel)).toEqual({ status: 200 });
});

test('each workspace has a token of its own: the next is tried where one is refused', async () => {
  const asked: (string | undefined)[] = [];
  const secrets = { signingSecret: [secret], botToken: ['xoxb-one', 'xoxb-two'] };
  const file = await provider.fetchAttachment?.(
    { name: null, contentType: null, size: null, url: 'https://files.slack.com/f', providerId: 'F1' },
    { secrets, settings: {} },
    {
      now,
      event: requestOf('{}'),
      fetch: async (_url, request) => {
        asked.push(request?.headers?.['authorization']);
        const status = asked.length === 1 ? 403 : 200;
        return { status, headers: new Headers({ 'content-type': 'text/plain' }), body: new TextEncoder().encode('ok') };
      },
    },
  );
  expect(asked).toEqual(['Bearer xoxb-one', 'Bearer xoxb-two']);
  expect(new TextDecoder().decode(file?.body)).toBe('ok');
});

/** What the contract suite does to JSON bodies, done to the JSON inside a form. */
test('an interaction is a valid message or says why not, whatever its payload is', async () => {
  const payloads = readFixtures('slack').flatMap(({ form: fields }) => fields?.['payload'] ?? []);
  const names = [
    'type',
    'user',
    'team',
    'id',
    'actions',
    'view',
    'state',
    'values',
    'message',
    'trigger_id',
    '__proto__',
  ];
  const bodies = anyBody(
    names,
    payloads.map((payload) => new TextEncoder().encode(payload)),
  );
  await fc.assert(
    fc.asyncProperty(bodies, async (body) => {
      const request = requestOf(new URLSearchParams({ payload: new TextDecoder().decode(body) }).toString(), formType);
      expect(provider.acknowledge?.(request, channel).status).toBe(200);
      const parsed = await parseOrError(request);
      if (parsed instanceof Error) {
        expect(parsed.message).toBe('the body is a form whose payload is not JSON');
        return;
      }
      for (const message of parsed.messages) parsedMessage.parse(message);
      expect(parsed.messages.length + parsed.ignored.length).toBe(1);
    }),
    { numRuns: 500 },
  );
});

test('10,000 levels of JSON in a payload are answered, whatever they are', async () => {
  const deep = (open: string, close: string) => `${open.repeat(10_000)}1${close.repeat(10_000)}`;
  const user = '"user":{"id":"U1","team_id":"T1"}';
  for (const value of [deep('[', ']'), deep('{"a":', '}')]) {
    const payload = `{"type":"view_submission",${user},"actions":${value},"view":{"state":{"values":${value}}}}`;
    const request = requestOf(new URLSearchParams({ payload }).toString(), formType);
    const parsed = await provider.parse(request, channel);
    expect(parsed.messages).toHaveLength(1);
    for (const message of parsed.messages) parsedMessage.parse(message);
  }
});
