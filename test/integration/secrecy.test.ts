import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { pino } from 'pino';
import { signSlack } from '../../demo/sign.ts';
import { newWebhookSecret } from '../../src/lib/standard-webhooks.ts';
import { describeEachDatabase } from '../support/databases.ts';
import { createWebhookChannel, messageWith, postEvent, send } from '../support/story.ts';
import { startTestApp } from '../support/test-app.ts';
import { startTestTarget } from '../support/test-target.ts';

describeEachDatabase('secrecy', (database) => {
  it('logs hold no secret, token or text, whatever goes wrong', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
    const app = await startTestApp(database(), { logger });
    const target = await startTestTarget();
    const text = `private words ${randomUUID()}`;
    const signingSecret = randomUUID();
    const made = await app.client.post('/api/v1/targets', {
      kind: 'http',
      name: 't',
      url: target.url,
      policy: { maxAttempts: 2, backoffBaseMs: 1 },
    });
    target.answer = (one, response) => response.writeHead(500).end(one.text);
    const channel = await createWebhookChannel(app.client);
    const slack = await app.client.post('/api/v1/channels', {
      provider: 'slack',
      name: 's',
      secrets: { signingSecret },
    });
    await app.client.post('/api/v1/communications/routes', { channelId: channel.id, targetId: made.id });
    await postEvent(channel, { sender: 'ada', text }, 'msg_secret');
    await messageWith(app, 'msg_secret', 'failed');
    await postEvent({ ...channel, secret: newWebhookSecret() }, { sender: 'ada', text });
    await postEvent(channel, `not json ${text}`);
    await send(slack.ingestUrl, signSlack({ secret: signingSecret, body: `{"type":"${text}"` }));
    await app.client.request('POST', '/api/v1/channels', {
      provider: 'slack',
      name: text,
      secrets: { signingSecret: 7 },
    });
    await fetch(`${app.url}/api/v1/channels`, { headers: { authorization: `Bearer ${app.token}x` } });
    await fetch(`${app.url}/api/v1/channels?token=${app.token}`);
    await app.stop();
    await target.stop();

    const all = lines.join('');
    expect(all).toContain('a delivery failed');
    expect(all).toContain('unparsed');
    for (const secret of [text, signingSecret, channel.secret, made.secret, app.token])
      expect(all).not.toContain(secret);
  });

  it('the database holds no secret in the clear, and a sealed one opens in its own row only', async () => {
    const app = await startTestApp(database());
    const secret = newWebhookSecret();
    const made = await app.client.post('/api/v1/targets', {
      kind: 'http',
      name: 't',
      url: 'http://127.0.0.1:9/',
      secret,
    });
    const other = await app.client.post('/api/v1/targets', { kind: 'http', name: 'u', url: 'http://127.0.0.1:9/' });
    const { db } = database();
    const row = await db.selectFrom('targets').selectAll().where('id', '=', made.id).executeTakeFirstOrThrow();
    expect(row.secrets).not.toContain(secret.slice(6, 30));
    const { sealer } = app.app.services;
    expect(sealer.open(row.secrets, `target:${app.tenantId}:${made.id}`)).toContain(secret);
    expect(() => sealer.open(row.secrets, `target:${app.tenantId}:${other.id}`)).toThrow();
    await app.stop();
  });

  it('credentials in the headers of a webhook are not kept', async () => {
    const app = await startTestApp(database());
    const channel = await createWebhookChannel(app.client);
    const { signStandardWebhook } = await import('../../demo/sign.ts');
    const signed = signStandardWebhook({ secret: channel.secret, body: '{"sender":"ada"}' });
    await send(channel.ingestUrl, {
      ...signed,
      headers: {
        ...signed.headers,
        authorization: 'Bearer credential-1',
        cookie: 'session=credential-2',
        'x-api-key': 'credential-3',
      },
    });
    const { items } = await app.client.get(`/api/v1/events?channelId=${channel.id}`);
    const event = await app.client.get(`/api/v1/events/${items[0].id}`);
    expect(JSON.stringify(event)).not.toContain('credential-');
    expect(event.headers).toContainEqual(['authorization', '[not kept]']);
    const telegram = await app.client.post('/api/v1/channels', { provider: 'telegram', name: 'Bot' });
    await send(telegram.ingestUrl, {
      method: 'POST',
      headers: { 'x-telegram-bot-api-secret-token': telegram.secret.value, 'content-type': 'application/json' },
      body: '{"update_id":1}',
    });
    const { items: updates } = await app.client.get(`/api/v1/events?channelId=${telegram.id}`);
    expect(updates).toHaveLength(1);
    expect(JSON.stringify(await app.client.get(`/api/v1/events/${updates[0].id}`))).not.toContain(
      telegram.secret.value,
    );
    await app.stop();
  });
});
