import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Provider } from '../../src/provider.ts';
import { standardWebhooks } from '../../src/providers/standard-webhooks/index.ts';
import { contents } from '../support/dead-letters.ts';
import { describeEachDatabase } from '../support/databases.ts';
import { createWebhookChannel, messageWith, postEvent, type TestChannel } from '../support/story.ts';
import { eventually, startTestApp, type TestApp, type TestClient } from '../support/test-app.ts';
import { startTestTarget, type TestTarget } from '../support/test-target.ts';

async function done(client: TestClient, jobId: string): Promise<any> {
  return await eventually(`job ${jobId} to be done`, async () => {
    const job = await client.get(`/api/v1/jobs/${jobId}`);
    if (['failed', 'cancelled'].includes(job.state)) throw new Error(`the job is ${job.state}: ${job.error}`);
    return job.state === 'succeeded' ? job : undefined;
  });
}

describeEachDatabase('reading events again', (database) => {
  let app: TestApp;
  /** What the parser chokes on; mended when it is null. */
  let fault: RegExp | null = null;
  const db = () => database().db;

  beforeAll(async () => {
    const faulty: Provider = {
      ...standardWebhooks,
      credentialHeaders: ['webhook-signature'],
      parse(request, channel) {
        if (fault?.test(Buffer.from(request.body).toString())) throw new Error('the body is beyond this parser');
        return standardWebhooks.parse(request, channel);
      },
    };
    app = await startTestApp(database(), { overrides: { providers: new Map([[faulty.name, faulty]]) } });
  });
  afterAll(async () => {
    await app.stop();
  });
  beforeEach(() => {
    fault = null;
  });

  const reparse = (filter: object, dryRun: boolean) => app.client.post('/api/v1/events/reparse', { filter, dryRun });
  const eventsOf = async (channel: TestChannel) =>
    (await app.client.get(`/api/v1/events?channelId=${channel.id}`)).items.toReversed();

  it('books what a mended parser can read, once, and says before what it would do', async () => {
    const channel = await createWebhookChannel(app.client);
    fault = /odd|hopeless/;
    // The second one comes twice: its provider tries again what it was answered 200 for, as some do.
    for (const [id, text] of [
      ['m1', 'odd one'],
      ['m2', 'odd two'],
      ['m2', 'odd two'],
      ['m3', 'hopeless'],
      ['m4', 'plain'],
    ] as const) {
      expect((await postEvent(channel, { sender: 'ada', text, id }, id)).status).toBe(200);
    }
    await messageWith(app, 'm4', 'unrouted');
    const outcomes = async () => (await eventsOf(channel)).map((event: any) => event.outcome);
    expect(await outcomes()).toEqual(['unparsed', 'unparsed', 'unparsed', 'unparsed', 'accepted']);
    const stored = await app.client.get(`/api/v1/events/${(await eventsOf(channel))[0].id}`);
    expect(Object.fromEntries(stored.headers)['webhook-signature']).toBe('[not kept]');

    fault = /hopeless/;
    const before = await contents(db());
    const plan = await reparse({ channelId: channel.id }, true);
    expect(await contents(db())).toEqual(before);
    expect(plan).toMatchObject({
      count: 4,
      more: false,
      newMessageCount: 2,
      outcomes: { accepted: 2, duplicate: 1, ignored: 0, unparsed: 1 },
    });
    const unparsed = { outcome: 'unparsed', reason: 'the body is beyond this parser' };
    expect(plan.items.map((item: any) => [item.before, item.after, item.messageCount, item.newMessages])).toEqual([
      [unparsed, { outcome: 'accepted', reason: null }, 1, [`${channel.id}:m1`]],
      [unparsed, { outcome: 'accepted', reason: null }, 1, [`${channel.id}:m2`]],
      [unparsed, { outcome: 'duplicate', reason: null }, 1, []],
      [unparsed, unparsed, 0, []],
    ]);

    const made = await app.client.request('POST', '/api/v1/events/reparse', { filter: { channelId: channel.id } });
    expect([made.status, made.body.kind]).toEqual([202, 'reparse_events']);
    expect(await done(app.client, made.body.id)).toMatchObject({ total: 4, done: 4, changed: 3 });
    for (const id of ['m1', 'm2']) await messageWith(app, id, 'unrouted');
    const events = await eventsOf(channel);
    expect(events.map((event: any) => [event.outcome, event.reason])).toEqual([
      ['accepted', null],
      ['accepted', null],
      ['duplicate', null],
      ['unparsed', 'the body is beyond this parser'],
      ['accepted', null],
    ]);
    const first = await messageWith(app, 'm1');
    expect(first).toMatchObject({ eventId: events[0].id, text: 'odd one', idempotencyKey: `${channel.id}:m1` });

    // A provider that comes once more, and a second run, change nothing.
    await postEvent(channel, { sender: 'ada', text: 'odd one', id: 'm1' }, 'm1');
    const all = { channelId: channel.id, ids: events.map((event: any) => event.id) };
    expect(await done(app.client, (await reparse(all, false)).id)).toMatchObject({ done: 5, changed: 0 });
    const { items } = await app.client.get('/api/v1/inbound/messages?limit=200');
    expect(items.filter((item: any) => item.channelId === channel.id)).toHaveLength(3);
  });

  it('reads with the settings of today', async () => {
    const channel = await createWebhookChannel(app.client);
    fault = /./;
    await postEvent(channel, { from: 'grace', sender: 'wrong', text: 'hello' }, 'm5');
    fault = null;
    await app.client.patch(`/api/v1/channels/${channel.id}`, { settings: { sender: '/from' } });
    await done(app.client, (await reparse({ channelId: channel.id }, false)).id);
    expect(await messageWith(app, 'm5', 'unrouted')).toMatchObject({ externalIdentity: 'grace', text: 'hello' });
  });

  it('keeps an event unparsed whose message cannot be stored, and books the others', async () => {
    const channel = await createWebhookChannel(app.client);
    fault = /./;
    const ids = ['s1', 's2', 's3'];
    for (const id of ids) await postEvent(channel, { sender: 'ada', text: id, id }, id);
    fault = null;
    const unstorable: Provider['parse'] = async (request, given) => {
      const parsed = await standardWebhooks.parse(request, given);
      // Beyond what PostgreSQL’s timestamps reach.
      const sentAt = new Date(-8.64e15);
      return { ...parsed, messages: parsed.messages.map((one) => (one.text === 's2' ? { ...one, sentAt } : one)) };
    };
    const provider = app.app.services.providers.get('standard-webhooks') as { parse: Provider['parse'] };
    const { parse } = provider;
    provider.parse = unstorable;
    try {
      const job = await done(app.client, (await reparse({ channelId: channel.id }, false)).id);
      expect(job).toMatchObject({ done: 3, changed: 3 });
    } finally {
      provider.parse = parse;
    }
    const events = await eventsOf(channel);
    expect(events.map((event: any) => event.outcome)).toEqual(['accepted', 'unparsed', 'accepted']);
    expect(events[1].reason).toMatch(/^unstorable: /);
  });

  it('of another tenant finds nothing', async () => {
    const channel = await createWebhookChannel(app.client);
    fault = /./;
    await postEvent(channel, { sender: 'ada', text: 'ours' }, 'm6');
    fault = null;
    const stranger = await app.clientFor('write', await app.newTenant('stranger'));
    for (const filter of [{}, { channelId: channel.id }, { ids: [(await eventsOf(channel))[0].id] }]) {
      const answer = await stranger.post('/api/v1/events/reparse', { filter, dryRun: true });
      expect(answer).toMatchObject({ count: 0, items: [] });
      const job = await done(stranger, (await stranger.post('/api/v1/events/reparse', { filter })).id);
      expect(job).toMatchObject({ total: 0, done: 0 });
    }
    expect((await eventsOf(channel))[0].outcome).toBe('unparsed');
  });
});

describeEachDatabase('routing messages again', (database) => {
  let app: TestApp;
  let target: TestTarget;
  let channel: TestChannel;
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
    target.received.length = 0;
    target.answer = (_received, response) => response.end('ok');
    channel = await createWebhookChannel(app.client);
  });

  const newTarget = async (status = 'active'): Promise<string> => {
    const made = await app.client.post('/api/v1/targets', { kind: 'http', name: 't', url: target.url });
    if (status !== 'active') await app.client.patch(`/api/v1/targets/${made.id}`, { status });
    return made.id;
  };
  const newRoute = async (given: object) =>
    await app.client.post('/api/v1/communications/routes', { channelId: channel.id, ...given });
  const reroute = (filter: object, dryRun: boolean) =>
    app.client.post('/api/v1/inbound/messages/reroute', { filter: { channelId: channel.id, ...filter }, dryRun });

  async function post(text: string, thread = 'T'): Promise<string> {
    const id = `msg_${randomUUID()}`;
    await postEvent(channel, { sender: 'ada', text, thread }, id);
    return id;
  }

  const traceOf = async (id: string, ...statuses: string[]) => {
    const message = await messageWith(app, id, ...statuses);
    return await app.client.get(`/api/v1/inbound/messages/${message.id}/trace`);
  };

  it('takes unrouted ones to a new route, in their order, and says before what it would do', async () => {
    const ids = [];
    for (const text of ['one', 'two', 'skip', 'three']) ids.push(await post(text));
    for (const id of ids) await messageWith(app, id, 'unrouted');
    const targetId = await newTarget();
    const route = await newRoute({ targetId, config: { match: 'text != "skip"', order: 'conversation' } });
    const before = await contents(db());
    const plan = await reroute({}, true);
    expect(await contents(db())).toEqual(before);
    expect(plan).toMatchObject({ count: 4, more: false, outcomes: { rerouted: 3, unchanged: 1, skipped: 0 } });
    expect(plan.items[0]).toMatchObject({
      outcome: 'rerouted',
      before: { status: 'unrouted', routeId: null, targetId: null },
      after: { status: 'routed', routeId: route.id, targetId },
      decision: { reason: 'route_matched', considered: [{ routeId: route.id, verdict: 'won', reason: 'matched' }] },
    });
    expect(plan.items[2]).toMatchObject({ outcome: 'unchanged', decision: { reason: 'no_match' } });

    const made = await app.client.request('POST', '/api/v1/inbound/messages/reroute', {
      filter: { channelId: channel.id },
    });
    expect(made.status).toBe(202);
    expect(await done(app.client, made.body.id)).toMatchObject({ total: 4, done: 4, changed: 3, skipped: 0 });
    for (const id of [ids[0], ids[1], ids[3]]) await messageWith(app, id as string, 'processed');
    await messageWith(app, ids[2] as string, 'unrouted');
    expect(target.received.map((one) => one.body.data.message.text)).toEqual(['one', 'two', 'three']);
    expect((await reroute({}, true)).outcomes).toEqual({ rerouted: 0, unchanged: 1, skipped: 0 });
  });

  it('takes routed ones whose route has changed away from where they wait', async () => {
    const old = await newTarget('paused');
    const route = await newRoute({ targetId: old, config: { order: 'conversation' } });
    const [first, second] = [await post('first'), await post('second')];
    for (const id of [first, second]) await messageWith(app, id, 'routed');
    expect((await reroute({ status: 'routed' }, true)).outcomes).toMatchObject({ rerouted: 0, unchanged: 2 });

    const targetId = await newTarget();
    await app.client.patch(`/api/v1/communications/routes/${route.id}`, { targetId });
    const { message } = await traceOf(first, 'routed');
    const path = `/api/v1/inbound/messages/${message.id}/reroute`;
    const way = { before: { status: 'routed', targetId: old }, after: { status: 'routed', targetId } };
    expect(await app.client.post(path, { dryRun: true })).toMatchObject({ outcome: 'rerouted', ...way });
    expect((await traceOf(first, 'routed')).deliveries).toMatchObject([{ state: 'pending', targetId: old }]);
    expect(await app.client.post(path)).toMatchObject({ outcome: 'rerouted', ...way });
    // The second one waits for the old target, and was not held back by what is gone.
    expect((await traceOf(second, 'routed')).deliveries).toMatchObject([
      { waitingFor: 'target_paused', targetId: old },
    ]);
    const [cancelled, fresh] = (await traceOf(first, 'routed')).deliveries;
    expect(cancelled).toMatchObject({ state: 'cancelled', error: { code: 'rerouted' } });
    expect(fresh).toMatchObject({ targetId, waitingFor: 'order' });

    const job = await done(app.client, (await reroute({ status: 'routed' }, false)).id);
    expect(job).toMatchObject({ done: 2, changed: 1 });
    for (const id of [first, second]) await messageWith(app, id, 'processed');
    expect(target.received.map((one) => one.body.data.message.text)).toEqual(['first', 'second']);
  });

  it('leaves alone what is under way, and says so', async () => {
    const old = await newTarget();
    const route = await newRoute({ targetId: old });
    let release = (): void => {};
    target.answer = (_received, response) => {
      release = () => response.end('ok');
    };
    const id = await post('slow');
    await eventually('it to run', () => (target.received.length > 0 ? true : undefined));
    const { message } = await traceOf(id, 'routed');
    await app.client.patch(`/api/v1/communications/routes/${route.id}`, { targetId: await newTarget() });
    const plan = await reroute({ status: 'routed' }, true);
    expect(plan.items).toMatchObject([{ messageId: message.id, outcome: 'skipped', skipped: 'in_progress' }]);
    const answer = await app.client.request('POST', `/api/v1/inbound/messages/${message.id}/reroute`);
    expect([answer.status, answer.body.detail[0].msg]).toEqual([409, 'a delivery of it is under way']);
    const job = await done(app.client, (await reroute({ status: 'routed' }, false)).id);
    expect(job).toMatchObject({ done: 1, changed: 0, skipped: 1 });
    release();
    await messageWith(app, id, 'processed');
    expect(target.received).toHaveLength(1);
  });

  it('gives up a conversation that a dead delivery held', async () => {
    const old = await newTarget();
    const route = await newRoute({ targetId: old, config: { order: 'conversation', onDead: 'hold' } });
    target.answer = (one, response) => response.writeHead(one.body.data.message.text === 'bad' ? 400 : 200).end();
    const [bad, next] = [await post('bad'), await post('next')];
    await messageWith(app, bad, 'failed');
    expect((await traceOf(next, 'routed')).deliveries).toMatchObject([{ waitingFor: 'order' }]);
    target.answer = (_received, response) => response.end('ok');
    const targetId = await newTarget();
    await app.client.patch(`/api/v1/communications/routes/${route.id}`, { targetId });
    await done(app.client, (await reroute({ status: 'failed' }, false)).id);
    for (const id of [bad, next]) await messageWith(app, id, 'processed');
    expect((await traceOf(bad)).deliveries).toMatchObject([
      { state: 'dead', holdsKey: false },
      { state: 'succeeded', targetId },
    ]);
  });

  it('waits for the router, and for channels that are paused', async () => {
    const id = await post('early');
    const { message } = await traceOf(id, 'unrouted');
    await newRoute({ targetId: await newTarget() });
    await app.client.patch(`/api/v1/channels/${channel.id}`, { status: 'paused' });
    expect((await reroute({}, true)).items).toMatchObject([{ outcome: 'skipped', skipped: 'channel_paused' }]);
    const path = `/api/v1/inbound/messages/${message.id}/reroute`;
    expect((await app.client.request('POST', path)).status).toBe(409);
    await db()
      .updateTable('inbound_messages')
      .set({ status: 'received', held: true })
      .where('id', '=', message.id)
      .execute();
    expect((await app.client.request('POST', path)).status).toBe(409);
    expect((await reroute({ ids: [message.id] }, true)).count).toBe(0);
  });

  it('of another tenant finds nothing', async () => {
    const id = await post('ours');
    const { message } = await traceOf(id, 'unrouted');
    await newRoute({ targetId: await newTarget() });
    const stranger = await app.clientFor('write', await app.newTenant('stranger'));
    for (const filter of [{}, { channelId: channel.id }, { ids: [message.id] }]) {
      const path = '/api/v1/inbound/messages/reroute';
      expect(await stranger.post(path, { filter, dryRun: true })).toMatchObject({ count: 0, items: [] });
      expect(await done(stranger, (await stranger.post(path, { filter })).id)).toMatchObject({ total: 0, done: 0 });
    }
    expect((await stranger.request('POST', `/api/v1/inbound/messages/${message.id}/reroute`)).status).toBe(404);
    await messageWith(app, id, 'unrouted');
  });
});
