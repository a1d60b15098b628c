import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { signStandardWebhook } from '../../demo/sign.ts';
import { describeEachDatabase } from '../support/databases.ts';
import { createWebhookChannel, messageWith, postEvent, send, type TestChannel } from '../support/story.ts';
import { eventually, startTestApp, type TestApp } from '../support/test-app.ts';
import { startTestTarget, type TestTarget } from '../support/test-target.ts';

const nothing = { identityLinks: 0, messages: 0, events: 0, deliveries: 0, attempts: 0, cancelled: 0 };

describeEachDatabase('erasing an external identity', (database) => {
  let app: TestApp;
  let target: TestTarget;
  let targetId: string;
  /** The person, and what they say; new for every test. */
  let ada: string;
  let text: string;

  beforeAll(async () => {
    app = await startTestApp(database());
    target = await startTestTarget();
    targetId = (await app.client.post('/api/v1/targets', { kind: 'http', name: 'target', url: target.url })).id;
  });
  afterAll(async () => {
    await app.stop();
    await target.stop();
  });
  beforeEach(() => {
    ada = `ada-${randomUUID()}`;
    text = `private words ${randomUUID()}`;
    target.received.length = 0;
    target.answer = (received, response) => response.end(received.text);
  });

  const erase = (externalIdentity = ada) =>
    app.client.post('/api/v1/erasures', { channel: 'webhook', externalIdentity });
  const traceOf = (message: { id: string }) => app.client.get(`/api/v1/inbound/messages/${message.id}/trace`);

  async function connect(config: object = {}): Promise<TestChannel> {
    const channel = await createWebhookChannel(app.client);
    await app.client.post('/api/v1/communications/routes', { channelId: channel.id, targetId, config });
    return channel;
  }

  /** Every row of every table of ours that holds a text, in any column, bytes included. */
  async function findAnywhere(needle: string): Promise<string[]> {
    const { db } = database();
    const { rows: tables } = await sql<{ name: string }>`
      select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'public' and c.relkind = 'r'`.execute(db);
    const hex = Buffer.from(needle).toString('hex');
    const found: string[] = [];
    for (const { name } of tables) {
      const { rows } = await sql<{ row: string }>`
        select t::text as row from ${sql.table(name)} t
        where t::text ilike ${`%${needle}%`} or t::text like ${`%${hex}%`}`.execute(db);
      found.push(...rows.map(({ row }) => `${name}: ${row}`));
    }
    return found;
  }

  it('leaves nothing of the person in any table, and knows a repeated webhook all the same', async () => {
    const channel = await connect();
    await app.client.post('/api/v1/inbound/identity-links', {
      channel: 'webhook',
      externalIdentity: ada,
      userId: 'u-1',
    });
    const id = `msg_${randomUUID()}`;
    const signed = signStandardWebhook({
      secret: channel.secret,
      id,
      body: JSON.stringify({ type: 'note', data: { from: ada, text, thread: `thread of ${ada}` } }),
    });
    for (let times = 0; times < 3; times += 1) expect((await send(channel.ingestUrl, signed)).status).toBe(200);
    const message = await messageWith(app, id, 'processed');
    // The target answered with what it got: it stands in result and attempt.
    expect((await findAnywhere(text)).length).toBeGreaterThan(4);
    expect(message.externalIdentity).toBe(ada);

    expect(await erase()).toEqual({
      identityLinks: 1,
      messages: 1,
      events: 3,
      deliveries: 1,
      attempts: 1,
      cancelled: 0,
    });
    expect(await findAnywhere(text)).toEqual([]);
    expect(await findAnywhere(ada)).toEqual([]);
    expect(await erase()).toEqual(nothing);

    const { message: left, deliveries, event } = await traceOf(message);
    expect(left).toMatchObject({
      status: 'processed',
      externalIdentity: 'erased',
      idempotencyKey: message.idempotencyKey,
      text: null,
      userId: null,
    });
    expect(deliveries).toMatchObject([{ state: 'succeeded', result: null, attempts: [{ response: null }] }]);
    expect(event).toMatchObject({ outcome: 'accepted' });

    expect((await send(channel.ingestUrl, signed)).status).toBe(200);
    const { items } = await app.client.get(`/api/v1/events?channelId=${channel.id}`);
    expect(items[0]).toMatchObject({ outcome: 'duplicate' });
    expect(target.received).toHaveLength(1);
  });

  it('leaves the others alone, also in one request, which loses its body all the same', async () => {
    const channel = await connect();
    const eve = `eve-${randomUUID()}`;
    const theirs = `other words ${randomUUID()}`;
    await postEvent(channel, { type: 'note', data: { from: eve, text: `${theirs} for ${ada}` } }, `msg_${eve}`);
    await postEvent(channel, { type: 'note', data: { from: ada, text } }, `msg_${ada}`.slice(0, 30));
    const kept = await messageWith(app, `msg_${eve}`, 'processed');
    await eventually('the message of the person', async () =>
      (await findAnywhere(text)).length > 2 ? true : undefined,
    );
    await eventually('all to be delivered', () => (target.received.length === 2 ? true : undefined));
    await erase();
    expect(await findAnywhere(text)).toEqual([]);
    expect((await traceOf(kept)).message).toMatchObject({ text: `${theirs} for ${ada}`, externalIdentity: eve });
    expect((await app.client.get(`/api/v1/events/${kept.eventId}`)).bodyText).toContain(theirs);
  });

  it('blanks requests that became no message where they name the person', async () => {
    const channel = await connect();
    await postEvent(channel, `not JSON from ${ada}: ${text}`);
    await postEvent(channel, `not JSON either, and from x${ada}x`);
    expect(await findAnywhere(ada)).toHaveLength(2);
    expect(await erase()).toEqual({ ...nothing, events: 1 });
    expect(await findAnywhere(text)).toEqual([]);
    expect(await findAnywhere(`x${ada}x`)).toHaveLength(1);
  });

  it('cancels what waits, and lets go what waited behind it', async () => {
    const channel = await connect({ order: 'conversation' });
    target.answer = (received, response) => {
      if (received.text.includes(text)) response.writeHead(503, { 'retry-after': '3600' });
      response.end();
    };
    const note = (from: string, said: string) => ({
      type: 'note',
      data: { from, text: said, thread: 'shared thread' },
    });
    await postEvent(channel, note(ada, text), `msg_1_${ada}`);
    const head = await messageWith(app, `msg_1_${ada}`, 'routed');
    await eventually('the first try to have failed', () => (target.received.length === 1 ? true : undefined));
    await postEvent(channel, note('eve', 'mine'), `msg_2_${ada}`);
    const next = await messageWith(app, `msg_2_${ada}`, 'routed');
    expect((await traceOf(next)).deliveries[0]).toMatchObject({ waitingFor: 'order' });

    expect(await erase()).toMatchObject({ messages: 1, deliveries: 1, cancelled: 1 });
    await messageWith(app, `msg_2_${ada}`, 'processed');
    const { message, deliveries } = await traceOf(head);
    expect(message).toMatchObject({ status: 'failed', error: { code: 'erased' }, text: null });
    expect(deliveries).toMatchObject([{ state: 'cancelled', orderingKey: null }]);
  });

  it('what runs meanwhile changes nothing when it comes back', async () => {
    const channel = await connect();
    let answer = (): void => {};
    target.answer = (received, response) => (answer = () => response.end(received.text));
    await postEvent(channel, { type: 'note', data: { from: ada, text } }, `msg_${ada}`);
    const message = await messageWith(app, `msg_${ada}`, 'routed');
    await eventually('the target to be asked', () => (target.received.length === 1 ? true : undefined));
    expect(await erase()).toMatchObject({ messages: 1, cancelled: 1 });
    answer();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await findAnywhere(text)).toEqual([]);
    const { message: left, deliveries } = await traceOf(message);
    expect(left.status).toBe('failed');
    expect(deliveries).toMatchObject([{ state: 'cancelled', attempts: [{ outcome: 'superseded', response: null }] }]);
  });

  it('a message that was held back is not routed any more', async () => {
    const channel = await connect();
    await app.client.patch(`/api/v1/channels/${channel.id}`, { status: 'paused' });
    await postEvent(channel, { type: 'note', data: { from: ada, text } }, `msg_${ada}`);
    const message = await messageWith(app, `msg_${ada}`, 'received');
    expect(await erase()).toMatchObject({ messages: 1, deliveries: 0 });
    await app.client.patch(`/api/v1/channels/${channel.id}`, { status: 'active' });
    await postEvent(channel, { type: 'note', data: { from: 'eve', text: 'mine' } }, `msg_after_${ada}`);
    await messageWith(app, `msg_after_${ada}`, 'processed');
    expect((await traceOf(message)).message).toMatchObject({ status: 'failed', text: null });
  });

  it('needs the scope admin, and sees its own tenant alone', async () => {
    const channel = await connect();
    await postEvent(channel, { type: 'note', data: { from: ada, text } }, `msg_${ada}`);
    const message = await messageWith(app, `msg_${ada}`, 'processed');
    const given = { channel: 'webhook', externalIdentity: ada };
    const writer = await app.clientFor('write');
    expect((await writer.request('POST', '/api/v1/erasures', given)).status).toBe(403);
    const stranger = await app.clientFor('admin', await app.newTenant('stranger'));
    expect(await stranger.post('/api/v1/erasures', given)).toEqual(nothing);
    expect((await app.client.request('POST', '/api/v1/erasures', { channel: 'webhook' })).status).toBe(422);
    expect((await traceOf(message)).message.text).toBe(text);
  });
});

describeEachDatabase('retention of a running service', (database) => {
  it('blanks in time, still knows the webhook again, and says in /readyz how it stands', async () => {
    let ahead = 0;
    const app = await startTestApp(database(), {
      env: { RETENTION_PAYLOADS_DAYS: '10', RETENTION_LEDGER_DAYS: '20' },
      overrides: { now: () => new Date(Date.now() + ahead) },
    });
    const channel = await createWebhookChannel(app.client);
    const id = `msg_${randomUUID()}`;
    const event = { type: 'note', data: { from: 'ada', text: 'private' } };
    await postEvent(channel, event, id);
    await messageWith(app, id, 'unrouted');
    const readyz = async () => (await (await fetch(`${app.url}/readyz`)).json()) as any;
    expect((await readyz()).retention).toEqual({ lagSeconds: 0, lastRunAt: null, error: null });

    ahead = 11 * 86_400_000;
    await app.app.retention.runRound();
    expect(await messageWith(app, id)).toMatchObject({ text: null, externalIdentity: 'ada' });
    expect((await readyz()).retention).toMatchObject({ lagSeconds: 0, lastRunAt: expect.any(String), error: null });

    ahead = 0;
    await postEvent(channel, event, id);
    const { items } = await app.client.get(`/api/v1/events?channelId=${channel.id}`);
    expect(items.map((item: any) => item.outcome)).toEqual(['duplicate', 'accepted']);
    ahead = 21 * 86_400_000;
    await app.app.retention.runRound();
    expect((await app.client.get('/api/v1/inbound/messages')).items).toEqual([]);
    await app.stop();
  });
});
