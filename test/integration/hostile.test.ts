import { request } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { signSlack, signStandardWebhook, signTwilioForm } from '../../demo/sign.ts';
import { newWebhookSecret } from '../../src/lib/standard-webhooks.ts';
import { describeEachDatabase } from '../support/databases.ts';
import { createWebhookChannel, send, type TestChannel } from '../support/story.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

/** Sends headers just as they are given, doubled ones too, which fetch cannot. */
function sendRaw(url: string, headers: [string, string][], body: string | Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    const given = new Set(headers.map(([name]) => name));
    const all: [string, string][] = [...headers, ['content-length', String(Buffer.byteLength(body))]];
    // Headers given as a list are sent as they are, so the host is ours to add.
    if (!given.has('host')) all.push(['host', new URL(url).host]);
    const outgoing = request(url, { method: 'POST', headers: all.flat() }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

describeEachDatabase('hostile input', (database) => {
  let app: TestApp;
  let webhooks: TestChannel;
  let slack: TestChannel;
  let twilio: TestChannel;
  let mime: TestChannel;

  beforeAll(async () => {
    app = await startTestApp(database());
    webhooks = await createWebhookChannel(app.client);
    const make = async (provider: string, secrets: Record<string, string>): Promise<TestChannel> => {
      const channel = await app.client.post('/api/v1/channels', { provider, name: provider, secrets });
      return { ...channel, secret: Object.values(secrets)[0] };
    };
    slack = await make('slack', { signingSecret: 's'.repeat(32) });
    twilio = await make('twilio', { authToken: 't'.repeat(32) });
    mime = await make('mime', { secret: newWebhookSecret() });
  });
  afterAll(async () => {
    await app.stop();
  });

  const eventsOf = async (channel: TestChannel) =>
    (await app.client.get(`/api/v1/events?channelId=${channel.id}&limit=200`)).items;

  const deep = `${'['.repeat(10_000)}${']'.repeat(10_000)}`;
  const deepObject = `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`;
  /** Bodies that break careless readers. Each must be kept: as a message, as ignored, or as unparsed. */
  const bodies: Record<string, string | Uint8Array> = {
    'an array 10,000 deep': deep,
    'an object 10,000 deep': deepObject,
    'a message with a deep part': `{"sender":"ada","text":"hi","payload":${deep}}`,
    'a deep sender': `{"sender":${deepObject}}`,
    'a hundred thousand keys': `{${Array.from({ length: 50_000 }, (_u, i) => `"k${i}":${i}`).join(',')}}`,
    'a long number': `{"sender":"ada","text":${'9'.repeat(100_000)}}`,
    'numbers beyond doubles': '{"sender":"ada","amount":1e99999,"tiny":-1e-99999}',
    'bad UTF-8': new Uint8Array([
      ...new TextEncoder().encode('{"sender":"a'),
      0xff,
      0xc0,
      0x80,
      ...new TextEncoder().encode('"}'),
    ]),
    'NUL bytes': '{"sender":"a\\u0000b","text":"\\u0000","\\u0000":["\\u0000"]}',
    'raw NUL bytes': new Uint8Array([0, 0, 0, 0]),
    'lone surrogates': '{"sender":"\\ud800","text":"\\udfff \\ud83d","k\\ud800":1}',
    'prototype keys': '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"sender":"ada"}',
    'a wrong type everywhere':
      '{"sender":{"a":1},"text":[1],"id":{},"thread":[],"timestamp":{},"displayName":1,"recipient":{}}',
    'an empty body': '',
    'white space': ' \n\t ',
    'a byte order mark': '\uFEFF{"sender":"ada"}',
    null: 'null',
    'a string': '"text"',
    'a long text': `{"sender":"ada","text":"${'x'.repeat(900_000)}"}`,
    'a long sender': `{"sender":"${'x'.repeat(900_000)}"}`,
    'a year that is no year': '{"sender":"ada","timestamp":"+275760-09-13T00:00:00.001Z"}',
    'a time beyond time': '{"sender":"ada","timestamp":8640000000000001}',
  };

  it.each(Object.keys(bodies))('signed Standard Webhooks: %s', async (name) => {
    const body = bodies[name] ?? '';
    const before = (await eventsOf(webhooks)).length;
    const answer = await send(webhooks.ingestUrl, signStandardWebhook({ secret: webhooks.secret, body }));
    expect(answer.status).toBe(200);
    const events = await eventsOf(webhooks);
    expect(events).toHaveLength(before + 1);
    const event = await app.client.get(`/api/v1/events/${events[0].id}`);
    expect(Buffer.from(event.bodyBase64, 'base64').equals(Buffer.from(body))).toBe(true);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it.each(Object.keys(bodies))('signed by Slack: %s', async (name) => {
    const before = (await eventsOf(slack)).length;
    const answer = await send(slack.ingestUrl, signSlack({ secret: slack.secret, body: bodies[name] ?? '' }));
    expect(answer.status).toBe(200);
    expect(await eventsOf(slack)).toHaveLength(before + 1);
  });

  it.each(Object.keys(bodies))('signed as an e-mail: %s', async (name) => {
    const before = (await eventsOf(mime)).length;
    const answer = await send(mime.ingestUrl, signStandardWebhook({ secret: mime.secret, body: bodies[name] ?? '' }));
    expect(answer.status).toBe(200);
    expect(await eventsOf(mime)).toHaveLength(before + 1);
  });

  it('signed by Twilio: NUL, surrogates and thousands of fields in the form', async () => {
    const forms = [
      { MessageSid: 'SM\0', From: '+1\0', To: '\0', Body: '\0' },
      { MessageSid: 'SM1', From: '\uFFFF', To: '+14155550100', Body: '\u{1F600}' },
      { From: '', To: '', Body: '' },
      Object.fromEntries(Array.from({ length: 900 }, (_u, index) => [`Field${index}`, 'x'])),
    ];
    for (const params of forms) {
      const answer = await send(
        twilio.ingestUrl,
        signTwilioForm({ authToken: twilio.secret, url: twilio.ingestUrl, params }),
      );
      expect([Object.keys(params).slice(0, 3), answer.status]).toEqual([Object.keys(params).slice(0, 3), 200]);
    }
  });

  it('unsigned, any of it is refused, and none of it is kept', async () => {
    for (const channel of [webhooks, slack, twilio, mime]) {
      const before = (await eventsOf(channel)).length;
      const statuses = await Promise.all(
        Object.values(bodies).map(
          async (body) => (await send(channel.ingestUrl, { method: 'POST', headers: {}, body })).status,
        ),
      );
      expect(new Set(statuses)).toEqual(new Set([401]));
      expect(await eventsOf(channel)).toHaveLength(before);
    }
  });

  it('doubled and odd headers are refused or harmless, never an error of ours', async () => {
    const signed = signStandardWebhook({ secret: webhooks.secret, body: '{"sender":"ada"}' });
    const headers = Object.entries(signed.headers);
    for (const name of ['webhook-id', 'webhook-timestamp', 'webhook-signature']) {
      const doubled: [string, string][] = [...headers, [name, signed.headers[name] ?? '']];
      expect([name, await sendRaw(webhooks.ingestUrl, doubled, signed.body)]).toEqual([name, 401]);
    }
    for (const extra of [
      ['content-type', 'text/html'],
      ['x-odd', '\u00e9\u00ff'],
      ['host', 'evil.example'],
      ['x-forwarded-host', 'evil.example'],
    ] as [string, string][]) {
      expect([
        extra,
        await sendRaw(webhooks.ingestUrl, [...headers.filter(([name]) => name !== extra[0]), extra], signed.body),
      ]).toEqual([extra, 200]);
    }
    for (const value of ['', ' ', 'v1', 'v1,', 'v1,!!!', 'v2,abc', ','.repeat(10_000), 'v1,A '.repeat(3_000)]) {
      const changed: [string, string][] = headers.map(([name, old]) => [
        name,
        name === 'webhook-signature' ? value : old,
      ]);
      expect([value.slice(0, 10), await sendRaw(webhooks.ingestUrl, changed, signed.body)]).toEqual([
        value.slice(0, 10),
        401,
      ]);
    }
  });

  it('other methods and odd paths get a clear answer', async () => {
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD']) {
      const { status } = await fetch(webhooks.ingestUrl, { method });
      expect([method, status]).toEqual([method, 401]);
    }
    for (const path of [
      '/in',
      '/in/',
      '/in/a/b',
      '/in/%00',
      '/in/%ff',
      `/in/${'a'.repeat(5_000)}`,
      '/in/..%2f..',
      '/api',
      '/api/v1/nothing',
      '//',
      '/%',
    ]) {
      const { status } = await fetch(`${app.url}${path}`, {
        method: 'POST',
        headers: { 'x-api-key': app.token },
        body: '{}',
      });
      expect([path, [401, 404, 422].includes(status)]).toEqual([path, true]);
    }
  });

  it('the API takes the same bodies without an error of ours', async () => {
    const paths = ['/channels', '/targets', '/tokens', '/inbound/identity-links', '/communications/routes'];
    const shapes = [
      ...Object.values(bodies).filter((body) => typeof body === 'string'),
      `{"provider":"slack","name":"x","secrets":{"signingSecret":"x"},"settings":${deepObject}}`,
      `{"config":${deepObject}}`,
      '{"provider":"slack","name":"a\\u0000b","secrets":{"signingSecret":"x"}}',
      '{"kind":"http","name":"a\\u0000b","url":"http://127.0.0.1:9/"}',
      '{"name":"a\\u0000b","scope":"read"}',
      '{"channel":"webhook","externalIdentity":"a\\u0000b","userId":"\\ud800"}',
      '{"config":{"note":"a\\u0000b"}}',
      '{"config":{"a\\ud800":"\\udfff"}}',
      '{"workflowKey":"\\u0000"}',
      '{"channel":"sms","externalIdentity":"+999999999999999999999999999999","userId":"u"}',
    ];
    for (const path of paths) {
      for (const body of shapes) {
        const answer = await app.client.request('POST', `/api/v1${path}`, body);
        expect([path, body.slice(0, 60), answer.status < 500]).toEqual([path, body.slice(0, 60), true]);
      }
    }
    expect((await app.client.request('GET', '/api/v1/inbound/messages?status=%00')).status).toBeLessThan(500);
    expect((await app.client.request('GET', '/api/v1/inbound/messages?status=%ff%ed%a0%80')).status).toBeLessThan(500);
  });

  it('after all of it everything that was let in is routed, and the service is well', async () => {
    const { status } = await fetch(`${app.url}/readyz`);
    expect(status).toBe(200);
    const { items } = await app.client.get('/api/v1/inbound/messages?status=received');
    expect(items).toEqual([]);
  });
});
