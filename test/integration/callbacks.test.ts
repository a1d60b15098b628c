import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { expireAwaiting } from '../../src/outbox/callbacks.ts';
import { describeEachDatabase } from '../support/databases.ts';
import { createWebhookChannel, messageWith, postEvent, type TestChannel } from '../support/story.ts';
import { eventually, startTestApp, type TestApp } from '../support/test-app.ts';
import { startTestTarget, type TestTarget } from '../support/test-target.ts';

describeEachDatabase('callbacks', (database) => {
  let app: TestApp;
  let target: TestTarget;

  beforeAll(async () => {
    app = await startTestApp(database(), { env: { WORKER_CONCURRENCY: '1' } });
    target = await startTestTarget();
  });
  afterAll(async () => {
    await app.stop();
    await target.stop();
  });
  beforeEach(() => {
    target.received.length = 0;
    target.answer = (_received, response) => response.writeHead(202).end('taken');
  });

  async function connect(callback: object, policy: object = {}): Promise<TestChannel> {
    const made = await app.client.post('/api/v1/targets', { kind: 'agent', name: 't', url: target.url, policy });
    const channel = await createWebhookChannel(app.client);
    await app.client.post('/api/v1/communications/routes', {
      channelId: channel.id,
      targetId: made.id,
      config: { callback },
    });
    return channel;
  }

  async function post(channel: TestChannel): Promise<string> {
    const id = `msg_${randomUUID()}`;
    expect((await postEvent(channel, { sender: 'ada', text: 'think about it', id }, id)).status).toBe(200);
    return id;
  }

  const deliveryOf = async (id: string) => {
    const message = await messageWith(app, id);
    return (await app.client.get(`/api/v1/inbound/messages/${message.id}/trace`)).deliveries[0];
  };
  const awaiting = (id: string) =>
    eventually('the delivery to be awaiting', async () => {
      const delivery = await deliveryOf(id);
      return delivery?.state === 'awaiting' ? delivery : undefined;
    });
  /** The path of the URL that the target was given, at the port where the app listens. */
  const urlOf = (index: number): string => {
    const given = new URL(target.received[index]?.body.data.callbackUrl);
    return `${app.url}${given.pathname}`;
  };
  const call = async (url: string, body?: unknown) => {
    const answer = await fetch(url, { method: 'POST', ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    return { status: answer.status, body: (await answer.json()) as any };
  };

  it('end a delivery that is awaiting without holding a worker', async () => {
    const channel = await connect({ deadlineSeconds: 600 });
    const ids = [await post(channel), await post(channel), await post(channel)];
    // All three wait, although this process runs one delivery at a time.
    for (const id of ids) {
      const delivery = await awaiting(id);
      expect(delivery).toMatchObject({ waitingFor: 'callback', attemptCount: 1, attempts: [{ outcome: 'awaiting' }] });
      const seconds = (Date.parse(delivery.deadline) - Date.now()) / 1000;
      expect(seconds).toBeGreaterThan(500);
      expect(seconds).toBeLessThan(601);
    }
    const index = target.received.findIndex((one) => one.body.data.message.channelMessageId === ids[0]);
    const url = urlOf(index);
    expect(await call(url, { status: 'succeeded', result: { answer: 42 } })).toEqual({
      status: 200,
      body: { ok: true },
    });
    await messageWith(app, ids[0] as string, 'processed');
    expect(await deliveryOf(ids[0] as string)).toMatchObject({
      state: 'succeeded',
      result: { callback: { answer: 42 } },
      attempts: [{ outcome: 'succeeded' }],
    });
    // The URL is good once.
    expect((await call(url)).status).toBe(409);
    expect((await deliveryOf(ids[1] as string)).state).toBe('awaiting');
  });

  it('that come before the target has answered count as well', async () => {
    const channel = await connect({});
    const statuses: number[] = [];
    target.answer = (received, response) => {
      const given = new URL(received.body.data.callbackUrl);
      const finish = async (): Promise<void> => {
        statuses.push((await call(`${app.url}${given.pathname}`)).status);
        response.end('done already');
      };
      void finish();
    };
    const id = await post(channel);
    await messageWith(app, id, 'processed');
    expect(statuses).toEqual([200]);
    expect(await deliveryOf(id)).toMatchObject({ state: 'succeeded', attempts: [{ outcome: 'succeeded' }] });
  });

  it('may say that it failed for good, or should be tried again', async () => {
    const channel = await connect({}, { backoffBaseMs: 1 });
    const lost = await post(channel);
    await awaiting(lost);
    await call(urlOf(0), { status: 'failed', error: 'no such customer' });
    const message = await messageWith(app, lost, 'failed');
    expect(message.error).toMatchObject({ code: 'callback_failed', message: 'no such customer' });

    const again = await post(channel);
    await awaiting(again);
    await call(urlOf(1), { status: 'retry', error: 'busy' });
    await eventually('the second try', async () => target.received.length === 3 || undefined);
    await awaiting(again);
    // The URL of the first try is good for that one alone.
    expect((await call(urlOf(1))).status).toBe(409);
    expect((await call(urlOf(2))).status).toBe(200);
    await messageWith(app, again, 'processed');
    const { attempts } = await deliveryOf(again);
    expect(attempts.map((one: any) => one.outcome)).toEqual(['retry', 'succeeded']);
  });

  it('that do not come in time lead to another try, or to death', async () => {
    const channel = await connect({ deadlineSeconds: 1 }, { backoffBaseMs: 1 });
    const again = await post(channel);
    await eventually('the second try', async () => {
      await expireAwaiting(database().db);
      return target.received.length >= 2 || undefined;
    });
    expect((await deliveryOf(again)).attempts[0]).toMatchObject({
      outcome: 'retry',
      error: { code: 'callback_deadline' },
    });

    const strict = await connect({ deadlineSeconds: 1, onDeadline: 'dead' });
    const lost = await post(strict);
    await eventually('the deadline', async () => {
      await expireAwaiting(database().db);
      return (await deliveryOf(lost))?.state === 'dead' || undefined;
    });
    expect((await messageWith(app, lost, 'failed')).error).toMatchObject({ code: 'callback_deadline' });
  });

  it('are taken from nobody who was not given the URL', async () => {
    const channel = await connect({});
    const id = await post(channel);
    const delivery = await awaiting(id);
    const url = urlOf(0);
    const [tenant, delivered, fence, mac] = (url.split('/').at(-1) ?? '').split('.');
    const guesses = [
      `${tenant}.${delivered}.${fence}.${'A'.repeat(43)}`,
      `${tenant}.${delivered}.${Number(fence) + 1}.${mac}`,
      `${tenant}.${randomUUID()}.${fence}.${mac}`,
      `${tenant}.${delivered}.${fence}`,
      `${delivery.id}`,
      'x',
      '..',
      '%00',
    ];
    for (const guess of guesses) expect((await call(`${app.url}/callbacks/${guess}`)).status).toBe(404);
    for (const body of ['{', '[]', '{"status":"maybe"}', '"x"']) {
      const answer = await fetch(url, { method: 'POST', body });
      expect(answer.status).toBe(422);
    }
    expect((await fetch(url, { method: 'POST', body: 'x'.repeat(300_000) })).status).toBe(413);
    expect((await deliveryOf(id)).state).toBe('awaiting');
  });
});
