import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { describeEachDatabase } from '../support/databases.ts';
import { createWebhookChannel, messageWith, postEvent, type TestChannel } from '../support/story.ts';
import { eventually, startTestApp, type TestApp } from '../support/test-app.ts';
import { startTestTarget, type TestTarget } from '../support/test-target.ts';

describeEachDatabase('order', (database) => {
  const secretKey = Buffer.alloc(32, 9).toString('base64');
  let apps: TestApp[];
  let app: TestApp;
  let target: TestTarget;

  beforeAll(async () => {
    // Two processes where there can be two: the order must hold across them.
    apps = [await startTestApp(database(), { secretKey })];
    if (database().kind === 'postgres') apps.push(await startTestApp(database().another(), { secretKey }));
    app = apps[0] as TestApp;
    target = await startTestTarget();
  });
  afterAll(async () => {
    for (const one of apps) await one.stop();
    await target.stop();
  });
  beforeEach(() => {
    target.received.length = 0;
    target.answer = (_received, response) => response.end('ok');
  });

  async function connect(config: object, policy: object = {}): Promise<TestChannel> {
    const made = await app.client.post('/api/v1/targets', { kind: 'http', name: 't', url: target.url, policy });
    const channel = await createWebhookChannel(app.client);
    await app.client.post('/api/v1/communications/routes', { channelId: channel.id, targetId: made.id, config });
    return channel;
  }

  async function post(channel: TestChannel, thread: string, text: string, sender = 'ada'): Promise<string> {
    const id = `msg_${randomUUID()}`;
    expect((await postEvent(channel, { sender, text, thread, id }, id)).status).toBe(200);
    return id;
  }

  const arrived = (thread: string) =>
    target.received
      .filter((one) => one.body.data.message.channelThreadId === thread)
      .map((one) => one.body.data.message.text);
  const deliveryOf = async (id: string) => {
    const message = await messageWith(app, id, 'routed', 'processed', 'failed');
    const trace = await app.client.get(`/api/v1/inbound/messages/${message.id}/trace`);
    return trace.deliveries.at(-1);
  };

  it('of a conversation is the order of arrival, one at a time; conversations run side by side', async () => {
    const channel = await connect({ order: 'conversation' });
    const running = new Map<string, number>();
    let together = 0;
    target.answer = ({ body }, response) => {
      const thread = body.data.message.channelThreadId;
      const now = (running.get(thread) ?? 0) + 1;
      expect(now, 'two of one conversation at once').toBe(1);
      running.set(thread, now);
      together = Math.max(
        together,
        [...running.values()].reduce((sum, one) => sum + one, 0),
      );
      setTimeout(() => {
        running.set(thread, 0);
        response.end('ok');
      }, 15);
    };
    const threads = ['a', 'b', 'c', 'd'];
    const texts = Array.from({ length: 12 }, (_unused, index) => String(index));
    await Promise.all(
      threads.map(async (thread) => {
        for (const text of texts) await post(channel, thread, text);
      }),
    );
    await eventually('everything to arrive', async () => target.received.length === 48 || undefined, 20_000);
    for (const thread of threads) expect(arrived(thread)).toEqual(texts);
    expect(together).toBeGreaterThan(1);
  });

  it('several messages of one webhook keep the order that they have in it', async () => {
    const secret = { appSecret: 'a'.repeat(32), verifyToken: 'verify' };
    const made = await app.client.post('/api/v1/targets', { kind: 'http', name: 't', url: target.url });
    const channel = await app.client.post('/api/v1/channels', {
      provider: 'whatsapp-cloud',
      name: 'wa',
      secrets: secret,
    });
    await app.client.post('/api/v1/communications/routes', {
      channelId: channel.id,
      targetId: made.id,
      config: { order: 'conversation' },
    });
    const { createHmac } = await import('node:crypto');
    const texts = Array.from({ length: 20 }, (_unused, index) => `word ${index}`);
    const body = JSON.stringify({
      object: 'whatsapp_business_account',
      entry: [
        {
          id: '1',
          changes: [
            {
              field: 'messages',
              value: {
                metadata: { display_phone_number: '15550100200', phone_number_id: '7' },
                messages: texts.map((text, index) => ({
                  from: '14155550123',
                  // Ids that sort the other way round.
                  id: `wamid.${String(99 - index)}`,
                  timestamp: '1741089600',
                  type: 'text',
                  text: { body: text },
                })),
              },
            },
          ],
        },
      ],
    });
    const signature = `sha256=${createHmac('sha256', secret.appSecret).update(body).digest('hex')}`;
    const answer = await fetch(channel.ingestUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-hub-signature-256': signature },
      body,
    });
    expect(answer.status).toBe(200);
    await eventually('everything to arrive', async () => target.received.length === 20 || undefined, 20_000);
    expect(target.received.map((one) => one.body.data.message.text)).toEqual(texts);
  });

  it('a head that is tried again holds back its own conversation and no other', async () => {
    const channel = await connect({ order: 'conversation' }, { backoffBaseMs: 1 });
    let isDown = true;
    target.answer = ({ body }, response) => {
      response.statusCode = isDown && body.data.message.text === 'head' ? 503 : 200;
      response.end();
    };
    const head = await post(channel, 'stuck', 'head');
    const next = await post(channel, 'stuck', 'next');
    const other = await post(channel, 'free', 'other');
    await messageWith(app, other, 'processed');
    await eventually('the head to be tried again', async () => (await deliveryOf(head)).attemptCount > 2 || undefined);
    expect(await deliveryOf(next)).toMatchObject({ state: 'pending', waitingFor: 'order', attemptCount: 0 });
    isDown = false;
    await messageWith(app, next, 'processed');
    expect(arrived('stuck').filter((text) => text === 'next')).toHaveLength(1);
    expect(arrived('stuck').at(-1)).toBe('next');
  });

  it('a dead head lets the next one go', async () => {
    const channel = await connect({ order: 'sender' });
    target.answer = ({ body }, response) => {
      response.statusCode = body.data.message.text === 'bad' ? 400 : 200;
      response.end();
    };
    const bad = await post(channel, 'x', 'bad');
    const good = await post(channel, 'y', 'good');
    await messageWith(app, bad, 'failed');
    expect((await messageWith(app, good, 'processed')).error).toBeNull();
  });

  it('or holds the rest where its route says so, until a replay gets through', async () => {
    const channel = await connect({ order: 'conversation', onDead: 'hold' });
    let isBroken = true;
    target.answer = ({ body }, response) => {
      response.statusCode = isBroken && body.data.message.text === 'bad' ? 400 : 200;
      response.end();
    };
    const bad = await post(channel, 'held', 'bad');
    const rest = [await post(channel, 'held', 'one'), await post(channel, 'held', 'two')];
    await messageWith(app, bad, 'failed');
    const dead = await deliveryOf(bad);
    expect(dead).toMatchObject({ state: 'dead', holdsKey: true });
    rest.push(await post(channel, 'held', 'three'));
    for (const id of rest) expect(await deliveryOf(id)).toMatchObject({ state: 'pending', waitingFor: 'order' });

    isBroken = false;
    await app.client.post(`/api/v1/deliveries/${dead.id}/replay`);
    for (const id of rest) await messageWith(app, id, 'processed');
    expect(arrived('held')).toEqual(['bad', 'bad', 'one', 'two', 'three']);
    expect(await app.client.get(`/api/v1/deliveries/${dead.id}`)).toMatchObject({ holdsKey: false });
  });

  it('is nobody’s business where no route asks for it', async () => {
    const channel = await connect({});
    const id = await post(channel, 'any', 'thing');
    await messageWith(app, id, 'processed');
    expect(await deliveryOf(id)).toMatchObject({ orderingKey: null });
  });

  it('is checked when a route is made', async () => {
    const channel = await createWebhookChannel(app.client);
    for (const config of [{ order: 'alphabetical' }, { order: 'conversation', onDead: 'cry' }]) {
      const answer = await app.client.request('POST', '/api/v1/communications/routes', {
        channelId: channel.id,
        config,
      });
      expect(answer.status).toBe(422);
    }
  });
});
