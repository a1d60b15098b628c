import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { signStandardWebhook } from '../../demo/sign.ts';
import { describeEachDatabase } from '../support/databases.ts';
import { createWebhookChannel, messageWith, postEvent, send, type TestChannel } from '../support/story.ts';
import { eventually, startTestApp, type TestApp } from '../support/test-app.ts';
import { startTestTarget, type TestTarget } from '../support/test-target.ts';

const dayMs = 86_400_000;

/**
 * A process's own clock jumps by days while deliveries run. What is due, what a lease lasts and when
 * a deadline passes are the database's to say; rates and breakers count on a clock that cannot be
 * set. Signatures, secrets that expire and a Retry-After with a date go by the process's clock.
 */
describeEachDatabase('a clock that jumps', (database) => {
  let app: TestApp;
  let target: TestTarget;
  let offsetMs = 0;

  beforeAll(async () => {
    const now = (): Date => new Date(Date.now() + offsetMs);
    app = await startTestApp(database(), { overrides: { now }, env: { WORKER_CONCURRENCY: '40' } });
    target = await startTestTarget();
  });
  beforeEach(() => {
    target.received.length = 0;
    target.answer = (_received, response) => response.end('ok');
  });
  afterEach(() => {
    offsetMs = 0;
  });
  afterAll(async () => {
    await app.stop();
    await target.stop();
  });

  async function connect(policy: object = {}, config: object = {}) {
    const made = await app.client.post('/api/v1/targets', { kind: 'http', name: 't', url: target.url, policy });
    const channel = await createWebhookChannel(app.client);
    await app.client.post('/api/v1/communications/routes', { channelId: channel.id, targetId: made.id, config });
    return { channel, secret: made.secret as string };
  }

  async function post(channel: TestChannel): Promise<string> {
    const id = `msg_${randomUUID()}`;
    expect((await postEvent(channel, { sender: 'ada', text: 'work', id }, id)).status).toBe(200);
    return id;
  }

  /** As a sender whose clock is wrong by as much as ours would. */
  async function postByOurClock(channel: TestChannel): Promise<string> {
    const id = `msg_${randomUUID()}`;
    const body = JSON.stringify({ sender: 'ada', text: 'work', id });
    const now = new Date(Date.now() + offsetMs);
    const { status } = await send(channel.ingestUrl, signStandardWebhook({ secret: channel.secret, id, body, now }));
    expect(status).toBe(200);
    return id;
  }

  const deliveryOf = async (id: string) => {
    const message = await messageWith(app, id);
    return (await app.client.get(`/api/v1/inbound/messages/${message.id}/trace`)).deliveries[0];
  };
  const received = (count: number) =>
    eventually(`${count} requests`, () => target.received.length >= count || undefined);

  it.each([3, -3])('by %i days neither hurries nor delays the next try', async (days) => {
    const { channel } = await connect({ backoffBaseMs: 1 });
    target.answer = ({ body }, response) => {
      if (body.data.delivery.attempt === 1) response.writeHead(503, { 'retry-after': '1' });
      response.end();
      offsetMs = days * dayMs;
    };
    const id = await post(channel);
    await received(2);
    const [first, second] = target.received;
    const waitedMs = (second?.at ?? 0) - (first?.at ?? 0);
    expect(waitedMs).toBeGreaterThanOrEqual(900);
    expect(waitedMs).toBeLessThan(5_000);
    await messageWith(app, id, 'processed');
  });

  it.each([40, -40])('by %i days ends no lease, and keeps no lost one', async (days) => {
    const { channel } = await connect();
    // Longer than a lease, which is 2 s here.
    target.answer = (_received, response) => void setTimeout(() => response.end(), 3_000);
    const id = await post(channel);
    await received(1);
    offsetMs = days * dayMs;
    await messageWith(app, id, 'processed');
    const delivery = await deliveryOf(id);
    expect(delivery).toMatchObject({ attemptCount: 1, attempts: [{ outcome: 'succeeded' }] });
    expect(delivery.attempts[0].durationMs).toBeGreaterThan(2_900);
    expect(delivery.attempts[0].durationMs).toBeLessThan(10_000);
  });

  it('fills no bucket: a rate stays what it is', async () => {
    const { channel } = await connect({ ratePerSecond: 5, concurrency: 40 });
    target.answer = (_received, response) => {
      offsetMs = (target.received.length % 2 === 0 ? 1 : -1) * 2 * 60_000;
      response.end();
    };
    for (let left = 14; left > 0; left -= 1) await post(channel);
    await received(14);
    const times = target.received.map(({ at }) => at);
    for (const at of times) {
      // A bucket of one second's worth, and what comes in within the next.
      expect(times.filter((other) => other >= at && other < at + 1_000).length).toBeLessThanOrEqual(11);
    }
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(1_500);
  });

  it.each([40, -40])('by %i days does not keep a callback from ending its delivery', async (days) => {
    const { channel } = await connect({ backoffBaseMs: 1 }, { callback: { deadlineSeconds: 600 } });
    target.answer = (_received, response) => response.writeHead(202).end();
    // The try begins by a clock that is days ahead, or behind; the callback is timed by the database's.
    offsetMs = days * dayMs;
    const id = await postByOurClock(channel);
    const waiting = await eventually('the delivery to be awaiting', async () => {
      const delivery = await deliveryOf(id);
      return delivery?.state === 'awaiting' ? delivery : undefined;
    });
    const untilMs = Date.parse(waiting.deadline) - Date.now();
    expect(untilMs).toBeGreaterThan(590_000);
    expect(untilMs).toBeLessThan(610_000);
    const given = new URL(target.received[0]?.body.data.callbackUrl);
    const answer = await fetch(`${app.url}${given.pathname}`, { method: 'POST' });
    expect(answer.status).toBe(200);
    await messageWith(app, id, 'processed');
    const delivery = await deliveryOf(id);
    expect(delivery).toMatchObject({ state: 'succeeded', attempts: [{ outcome: 'succeeded' }] });
    expect(delivery.attempts[0].durationMs).toBeGreaterThanOrEqual(0);
  });

  it('backwards between two messages does not turn their order round', async () => {
    const { channel } = await connect({}, { order: 'conversation' });
    const ids: string[] = [];
    for (let index = 0; index < 8; index += 1) {
      offsetMs = -index * 3 * dayMs;
      ids.push(await postByOurClock(channel));
    }
    await received(8);
    expect(target.received.map(({ body }) => body.data.message.channelMessageId)).toEqual(ids);
  });

  it('makes signatures wrong in both directions as long as it is wrong, and no longer', async () => {
    const { channel, secret } = await connect();
    const first = await post(channel);
    await messageWith(app, first, 'processed');
    for (const days of [2, -2]) {
      offsetMs = days * dayMs;
      // What others sign looks too old, or too new.
      expect((await postEvent(channel, { sender: 'ada', text: 'x' })).status).toBe(401);
      // And ours looks so to them; the target's answer decides what becomes of it.
      target.received.length = 0;
      await postByOurClock(channel);
      await received(1);
      const [request] = target.received;
      expect(() => request && target.verify(request, secret)).toThrow(/timestamp/);
    }
    offsetMs = 0;
    target.received.length = 0;
    await post(channel);
    await received(1);
    const [request] = target.received;
    if (!request) throw new Error('nothing was received');
    expect(() => target.verify(request, secret)).not.toThrow();
  });
});
