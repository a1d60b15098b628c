import { Ajv2020 } from 'ajv/dist/2020.js';
import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { z } from 'zod';
import { signStandardWebhook } from '../../demo/sign.ts';
import { newWebhookSecret } from '../../src/lib/standard-webhooks.ts';
import { providers } from '../../src/providers/index.ts';
import { signers } from '../contracts/signers/index.ts';
import { describeEachDatabase } from '../support/databases.ts';
import { createWebhookChannel, messageWith, postEvent, send } from '../support/story.ts';
import { startTestTarget } from '../support/test-target.ts';
import { eventually, startTestApp, type TestApp } from '../support/test-app.ts';

function signStripe(secret: string, event: unknown) {
  const body = JSON.stringify(event);
  const time = Math.floor(Date.now() / 1000);
  const mac = createHmac('sha256', secret).update(`${time}.${body}`).digest('hex');
  return { method: 'POST', headers: { 'stripe-signature': `t=${time},v1=${mac}` }, body };
}

const stripeEvent = {
  id: 'evt_1',
  object: 'event',
  type: 'invoice.paid',
  created: 1_741_089_600,
  livemode: false,
  data: { object: { id: 'in_1', object: 'invoice', customer: 'cus_1' } },
};

describeEachDatabase('channels', (database) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp(database());
  });
  afterAll(() => app.stop());

  it('may be made before its secret exists, and refuses everything until it is entered', async () => {
    const channel = await app.client.post('/api/v1/channels', { provider: 'stripe', name: 'Stripe' });
    expect(channel).toMatchObject({ missingSecrets: ['signingSecret'], status: 'active' });
    const secret = 'whsec_shown-after-the-url';
    expect((await send(channel.ingestUrl, signStripe(secret, stripeEvent))).status).toBe(401);
    await eventually('the refusal to be noted', async () => {
      const { items } = await app.client.get(`/api/v1/channels/${channel.id}/rejections`);
      return items.find((item: any) => item.reason === 'no_secret');
    });

    const entered = await app.client.post(`/api/v1/channels/${channel.id}/rotate-secret`, { value: secret });
    expect(entered).toMatchObject({ missingSecrets: [], secret: { name: 'signingSecret', value: null } });
    expect((await send(channel.ingestUrl, signStripe(secret, stripeEvent))).status).toBe(200);
    expect(await app.client.get(`/api/v1/channels/${channel.id}`)).toMatchObject({ missingSecrets: [] });
  });

  it('takes several secrets one after the other', async () => {
    const channel = await app.client.post('/api/v1/channels', { provider: 'whatsapp-cloud', name: 'WhatsApp' });
    expect(channel.missingSecrets).toEqual(['appSecret', 'verifyToken']);
    const enter = (secret: string, value: string) =>
      app.client.post(`/api/v1/channels/${channel.id}/rotate-secret`, { secret, value });
    expect((await enter('verifyToken', 'my-verify-token')).missingSecrets).toEqual(['appSecret']);
    const challenge = '?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=my-verify-token';
    const answer = await fetch(`${channel.ingestUrl}${challenge}`);
    expect([answer.status, await answer.text()]).toEqual([200, '1158201444']);
    expect((await enter('appSecret', 'a'.repeat(32))).missingSecrets).toEqual([]);
  });

  it('is not made with some of its secrets, or with wrong ones', async () => {
    for (const secrets of [{ appSecret: 'a' }, { appSecret: 'a', verifyToken: [] }, { unknown: 'x' }]) {
      const answer = await app.client.request('POST', '/api/v1/channels', {
        provider: 'whatsapp-cloud',
        name: 'WhatsApp',
        secrets,
      });
      expect(answer.status).toBe(422);
      expect(answer.body.detail[0].loc.slice(0, 2)).toEqual(['body', 'secrets']);
    }
  });

  describe('attachments', () => {
    const download = (messageId: string, index: number | string, token = app.token) =>
      fetch(`${app.url}/api/v1/inbound/messages/${messageId}/attachments/${index}`, {
        headers: { authorization: `Bearer ${token}` },
      });

    async function receiveMail(id: string): Promise<any> {
      const secret = newWebhookSecret();
      const channel = await app.client.post('/api/v1/channels', {
        provider: 'mime',
        name: 'Mail',
        secrets: { secret },
      });
      const body = [
        'From: Ada <ada@example.com>',
        'To: support@in.example.com',
        `Message-ID: <${id}>`,
        'Content-Type: multipart/mixed; boundary=b',
        '',
        '--b',
        'Content-Type: text/plain',
        '',
        'see there',
        '--b',
        'Content-Type: text/html; name="=?utf-8?B?4oKsLmh0bWw=?="',
        'Content-Disposition: attachment; filename="=?utf-8?B?4oKsLmh0bWw=?="',
        'Content-Transfer-Encoding: base64',
        '',
        Buffer.from('<script>alert(1)</script>').toString('base64'),
        '--b--',
        '',
      ].join('\r\n');
      const signed = signStandardWebhook({
        secret,
        id: `msg_${id}`,
        body,
        contentType: 'message/rfc822',
        now: new Date(),
      });
      expect((await send(channel.ingestUrl, signed)).status).toBe(200);
      return await messageWith(app, id);
    }

    it('come out of the stored event, to be saved and never to be run', async () => {
      const message = await receiveMail('attached@example.com');
      expect(message.attachments).toEqual([
        { name: '€.html', contentType: 'text/html', size: 25, url: null, providerId: 'part:0' },
      ]);
      const answer = await download(message.id, 0);
      expect(answer.status).toBe(200);
      expect(await answer.text()).toBe('<script>alert(1)</script>');
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        'content-disposition': "attachment; filename*=UTF-8''%E2%82%AC.html",
        'content-security-policy': 'sandbox',
        'x-content-type-options': 'nosniff',
      });
    });

    it('are for who may read, and only where they are', async () => {
      const message = await receiveMail('elsewhere@example.com');
      for (const index of [1, 9_999]) expect((await download(message.id, index)).status).toBe(404);
      for (const index of [-1, 'x', 10_000]) expect((await download(message.id, index)).status).toBe(422);
      expect((await download(message.id, 0, 'nobody')).status).toBe(401);
    });

    it('are gone with the event that brought them', async () => {
      const message = await receiveMail('gone@example.com');
      await database().db.deleteFrom('events').where('id', '=', message.eventId).execute();
      const answer = await download(message.id, 0);
      expect(answer.status).toBe(404);
      expect(await answer.json()).toMatchObject({ detail: [{ type: 'attachment_gone' }] });
    });

    it('of a message without any are not found', async () => {
      const channel = await createWebhookChannel(app.client);
      await postEvent(channel, { sender: 'ada', text: 'hi', id: 'bare-1' });
      expect((await download((await messageWith(app, 'bare-1')).id, 0)).status).toBe(404);
    });
  });

  it('tells who asks, where a provider calls out and does not say so itself', async () => {
    const target = await startTestTarget();
    const call = (headers: Record<string, string>) =>
      app.app.services.fetch(target.url, { method: 'POST', headers, body: '{}' });
    await call({});
    await call({ 'User-Agent': 'Acme' });
    await target.stop();
    expect(target.received.map(({ headers }) => headers['user-agent'])).toEqual(['Postroom/1', 'Acme']);
  });

  it('lists its providers with schemas that a form can be drawn from', async () => {
    const { items } = await app.client.get('/api/v1/providers');
    expect(items.map((item: any) => item.name)).toEqual([...providers.keys()]);
    const ajv = new Ajv2020({ strict: false });
    for (const item of items) {
      for (const schema of [item.secrets, item.settings]) {
        expect(schema).toMatchObject({ type: 'object', additionalProperties: false });
        for (const [name, field] of Object.entries<any>(schema.properties)) {
          expect(field.description, `${item.name}: ${name} says nothing of itself`).toMatch(/\w/);
        }
      }
      expect(ajv.validate(item.secrets, signers[item.name]?.secrets), item.name).toBe(true);
    }
  });
});

test('every provider is in its folder, and every folder of providers in the registry', async () => {
  const { readdirSync } = await import('node:fs');
  const folders = readdirSync(new URL('../../src/providers/', import.meta.url), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'kit')
    .map((entry) => entry.name);
  expect([...providers.keys()]).toEqual(folders.toSorted());
  expect(z.array(z.string()).parse(Object.keys(signers)).toSorted()).toEqual(folders.toSorted());
});
