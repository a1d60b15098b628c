import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { deleteDeliveries } from '../../src/retention/deliveries.ts';
import { describeEachDatabase } from '../support/databases.ts';
import { createWebhookChannel, messageWith, postEvent, type TestChannel } from '../support/story.ts';
import { eventually, startTestApp, type TestApp } from '../support/test-app.ts';
import { startTestTarget, type TestTarget } from '../support/test-target.ts';

/** A message's row is not written for a delivery that succeeds; what it is told by must agree everywhere. */
describeEachDatabase('the status of a message', (database) => {
  let app: TestApp;
  let target: TestTarget;
  let channel: TestChannel;
  let targetId: string;
  let routeId: string;
  const db = () => database().db;

  beforeAll(async () => {
    app = await startTestApp(database());
    target = await startTestTarget();
  });
  afterAll(async () => {
    await app.stop();
    await target.stop();
  });
  beforeEach(async () => {
    target.answer = (_received, response) => response.end('ok');
    channel = await createWebhookChannel(app.client);
    const policy = { maxAttempts: 1 };
    const made = await app.client.post('/api/v1/targets', { kind: 'http', name: 't', url: target.url, policy });
    targetId = made.id;
    const route = { channelId: channel.id, targetId };
    routeId = (await app.client.post('/api/v1/communications/routes', route)).id;
  });

  async function post(): Promise<string> {
    const id = `msg_${randomUUID()}`;
    await postEvent(channel, { sender: 'ada', text: 'work' }, id);
    return id;
  }

  /** Which of the listed statuses find the message. */
  async function foundBy(messageId: string): Promise<string[]> {
    const found: string[] = [];
    for (const status of ['received', 'routed', 'processed', 'failed', 'unrouted', 'rejected', 'nonsense']) {
      const list = await app.client.get(`/api/v1/inbound/messages?status=${status}&limit=100`);
      if (list.items.some((one: any) => one.id === messageId)) found.push(status);
    }
    return found;
  }

  const storedStatus = async (messageId: string): Promise<string> =>
    (await db().selectFrom('inbound_messages').select('status').where('id', '=', messageId).executeTakeFirstOrThrow())
      .status;

  async function deliveriesOf(messageId: string): Promise<any[]> {
    return (await app.client.get(`/api/v1/inbound/messages/${messageId}/trace`)).deliveries;
  }

  it('is processed once a delivery has succeeded, wherever it is asked for', async () => {
    const message = await messageWith(app, await post(), 'processed');
    expect(message).toMatchObject({ error: null });
    expect(await foundBy(message.id)).toEqual(['processed']);
    expect(await storedStatus(message.id)).toBe('routed');
    const [delivery] = await deliveriesOf(message.id);
    expect(message.updatedAt).toBe(delivery.finishedAt);
    const { message: traced } = await app.client.get(`/api/v1/inbound/messages/${message.id}/trace`);
    expect(traced.status).toBe('processed');
  });

  it('is failed when the delivery is dead, and processed when its replay succeeds', async () => {
    target.answer = (_received, response) => response.writeHead(400).end();
    const id = await post();
    const failed = await messageWith(app, id, 'failed');
    expect(failed.error).toMatchObject({ code: 'target_refused' });
    expect(await foundBy(failed.id)).toEqual(['failed']);
    const [dead] = await deliveriesOf(failed.id);

    target.received.length = 0;
    target.answer = (_received, response) => response.end('ok');
    await app.client.post(`/api/v1/deliveries/${dead.id}/replay`);
    expect(await messageWith(app, id, 'processed')).toMatchObject({ error: null });
    expect(await foundBy(failed.id)).toEqual(['processed']);
    // The replay was told what it was until then, and one of what was processed is told that.
    expect(target.received[0]?.body.data.message).toMatchObject({ status: 'failed' });
    const [, replay] = await deliveriesOf(failed.id);
    await app.client.post(`/api/v1/deliveries/${replay.id}/replay`);
    await eventually('the second replay', () => (target.received.length === 2 ? true : undefined));
    expect(target.received[1]?.body.data.message).toMatchObject({ status: 'processed', error: null });
  });

  it.each(['by hand', 'by retention'])('stays processed when its deliveries are removed %s', async (how) => {
    const message = await messageWith(app, await post(), 'processed');
    if (how === 'by hand') {
      const filter = { state: 'succeeded', messageId: message.id };
      const { id: jobId } = await app.client.post('/api/v1/deliveries/purge', { filter });
      await eventually('the job', async () =>
        (await app.client.get(`/api/v1/jobs/${jobId}`)).state === 'succeeded' ? true : undefined,
      );
    } else {
      const [delivery] = await deliveriesOf(message.id);
      await db()
        .transaction()
        .execute((trx) => deleteDeliveries(trx, app.tenantId, [delivery.id]));
    }
    expect(await deliveriesOf(message.id)).toEqual([]);
    expect(await foundBy(message.id)).toEqual(['processed']);
    expect(await storedStatus(message.id)).toBe('processed');
  });

  it('begins anew when the message is routed another way', async () => {
    const id = await post();
    const message = await messageWith(app, id, 'processed');
    const made = await app.client.post('/api/v1/targets', { kind: 'http', name: 'other', url: target.url });
    await app.client.patch(`/api/v1/targets/${made.id}`, { status: 'paused' });
    await app.client.patch(`/api/v1/communications/routes/${routeId}`, { targetId: made.id });
    const rerouted = await app.client.post(`/api/v1/inbound/messages/${message.id}/reroute`);
    expect(rerouted).toMatchObject({ before: { status: 'processed', targetId }, after: { status: 'routed' } });
    expect(await foundBy(message.id)).toEqual(['routed']);
    await app.client.patch(`/api/v1/targets/${made.id}`, { status: 'active' });
    await messageWith(app, id, 'processed');
    expect((await deliveriesOf(message.id)).map((one) => [one.targetId, one.state])).toEqual([
      [targetId, 'succeeded'],
      [made.id, 'succeeded'],
    ]);
  });
});
