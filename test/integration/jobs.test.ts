import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { z } from 'zod';
import { defineHandler } from '../../src/handler.ts';
import { claimJob, runBatch } from '../../src/jobs/run-batch.ts';
import { bookDead, contents } from '../support/dead-letters.ts';
import { describeEachDatabase } from '../support/databases.ts';
import { createWebhookChannel, messageWith, postEvent, type TestChannel } from '../support/story.ts';
import { eventually, startTestApp, type TestApp, type TestClient } from '../support/test-app.ts';
import { startTestTarget, type TestTarget } from '../support/test-target.ts';

async function ended(client: TestClient, jobId: string, state = 'succeeded'): Promise<any> {
  return await eventually(
    `job ${jobId} to be ${state}`,
    async () => {
      const job = await client.get(`/api/v1/jobs/${jobId}`);
      if (job.state !== state && ['succeeded', 'failed', 'cancelled'].includes(job.state)) {
        throw new Error(`the job is ${job.state}: ${job.error}`);
      }
      return job.state === state ? job : undefined;
    },
    20_000,
  );
}

describeEachDatabase('many deliveries at once', (database) => {
  let app: TestApp;
  let channel: TestChannel;
  let routeId: string;
  const runs: { id: string }[] = [];
  const db = () => database().db;
  const dead = async (count: number, given: { reason?: string; targetId?: string; orderingKey?: string } = {}) =>
    await bookDead(db(), count, { tenantId: app.tenantId, channelId: channel.id, routeId, ...given });

  beforeAll(async () => {
    const process = defineHandler({
      kind: 'process',
      config: z.looseObject({}),
      policy: { timeoutMs: 5_000 },
      async run({ ctx }) {
        runs.push({ id: ctx.idempotencyKey });
        return {};
      },
    });
    app = await startTestApp(database(), { overrides: { handlers: new Map([[process.kind, process]]) } });
  });
  afterAll(async () => {
    await app.stop();
  });
  beforeEach(async () => {
    runs.length = 0;
    for (const table of ['jobs', 'attempts', 'deliveries'] as const) await db().deleteFrom(table).execute();
    channel = await createWebhookChannel(app.client);
    routeId = (await app.client.post('/api/v1/communications/routes', { channelId: channel.id })).id;
  });

  const replaysOf = async (jobId: string) =>
    await db()
      .selectFrom('deliveries')
      .select(['id', 'replay_of', 'state', 'created_at', 'target_id'])
      .where('job_id', '=', jobId)
      .orderBy('id')
      .execute();

  it('counts what a filter finds, then repeats each of 2,000 once, in their order', { timeout: 60_000 }, async () => {
    const ids = await dead(2_000, { reason: 'target_failed' });
    await dead(30, { reason: 'timeout' });
    const filter = { reason: 'target_failed', provider: 'standard-webhooks' };
    const before = await contents(db());
    expect(await app.client.post('/api/v1/deliveries/replay', { filter, dryRun: true })).toEqual({
      count: 2_000,
      more: false,
    });
    expect(await contents(db())).toEqual(before);

    const made = await app.client.request('POST', '/api/v1/deliveries/replay', { filter });
    expect(made.status).toBe(202);
    expect(made.body).toMatchObject({ kind: 'replay_deliveries', state: 'pending', total: 2_000, filter });
    const job = await ended(app.client, made.body.id);
    expect(job).toMatchObject({ total: 2_000, done: 2_000, changed: 2_000, skipped: 0, error: null });
    const replays = await replaysOf(job.id);
    expect(replays.map((one) => one.replay_of)).toEqual(ids);
    await eventually('all of them to have run', () => (runs.length >= 2_000 ? true : undefined), 45_000);
    expect(new Set(runs.map((run) => run.id))).toEqual(new Set(replays.map((one) => one.id)));

    // What was repeated is not found again, unless it is asked for.
    const again = (replayed?: boolean) =>
      app.client.post('/api/v1/deliveries/replay', { filter: { ...filter, replayed }, dryRun: true });
    expect(await again()).toEqual({ count: 0, more: false });
    expect(await again(true)).toEqual({ count: 2_000, more: false });
    const attempts = await app.client.get(`/api/v1/deliveries/${replays[0]?.id}`);
    expect(attempts).toMatchObject({ replayOf: ids[0], attempts: [{ number: 1, outcome: 'succeeded' }] });
    expect((await app.client.get('/api/v1/jobs?state=succeeded')).items).toMatchObject([{ id: job.id }]);
  });

  it('keeps to the rate', async () => {
    await dead(240);
    const { id } = await app.client.post('/api/v1/deliveries/replay', { ratePerSecond: 120 });
    expect(await ended(app.client, id)).toMatchObject({ ratePerSecond: 120, changed: 240 });
    const times = (await replaysOf(id)).map((one) => one.created_at.getTime());
    // A quarter of a second's worth goes at once, so what is asked of is every window of a second.
    for (const [index, time] of times.entries()) {
      const within = times.slice(index).filter((one) => one < time + 1_000).length;
      expect(within).toBeLessThanOrEqual(120 + 30);
    }
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeLessThan(10_000);
  });

  it('is cancelled in the middle; what is done stays done', async () => {
    await dead(2_000);
    const { id } = await app.client.post('/api/v1/deliveries/replay', { ratePerSecond: 100 });
    await eventually('it to have begun', async () => {
      const job = await app.client.get(`/api/v1/jobs/${id}`);
      return job.done > 0 ? true : undefined;
    });
    const cancelled = await app.client.post(`/api/v1/jobs/${id}/cancel`);
    expect(cancelled).toMatchObject({ state: 'cancelled' });
    expect(cancelled.done).toBeLessThan(2_000);
    expect(await replaysOf(id)).toHaveLength(cancelled.done);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await replaysOf(id)).toHaveLength(cancelled.done);
    expect((await app.client.get(`/api/v1/jobs/${id}`)).done).toBe(cancelled.done);
    expect((await app.client.request('POST', `/api/v1/jobs/${id}/cancel`)).status).toBe(409);
  });

  it('does not take up what dies after it was made, its own replays least of all', async () => {
    await dead(3);
    const { id } = await app.client.post('/api/v1/deliveries/replay', {
      ratePerSecond: 4,
      filter: { replayed: false },
    });
    await dead(5);
    await db().updateTable('deliveries').set({ state: 'dead' }).where('job_id', '=', id).execute();
    expect(await ended(app.client, id)).toMatchObject({ total: 3, done: 3, changed: 3 });
  });

  it('removes dead deliveries with their attempts, and lets go what they held', async () => {
    const [holder] = await dead(1, { orderingKey: 'k' });
    await db()
      .updateTable('deliveries')
      .set({ holds_key: true })
      .where('id', '=', holder as string)
      .execute();
    const others = await dead(600);
    const [kept] = await dead(1, { reason: 'timeout' });
    const held = randomUUID();
    const message = await db().selectFrom('inbound_messages').select('id').executeTakeFirstOrThrow();
    await sql`insert into deliveries (tenant_id, id, message_id, route_id, handler_kind, ordering_key, seq,
        blocked)
      values (${app.tenantId}, ${held}, ${message.id}, ${routeId}, 'process', 'k', 1000000, true)`.execute(db());
    const filter = { reason: 'target_refused' };
    expect(await app.client.post('/api/v1/deliveries/purge', { filter, dryRun: true })).toEqual({
      count: 601,
      more: false,
    });
    const { id } = await app.client.post('/api/v1/deliveries/purge', { filter });
    expect(await ended(app.client, id)).toMatchObject({ done: 601, changed: 601 });
    expect((await app.client.request('GET', `/api/v1/deliveries/${others[0]}`)).status).toBe(404);
    expect(await app.client.get(`/api/v1/deliveries/${kept}`)).toMatchObject({ attempts: [{ outcome: 'dead' }] });
    const left = await db().selectFrom('attempts').select('delivery_id').where('worker', '=', 'w').execute();
    expect(left.map((row) => row.delivery_id)).toEqual([kept]);
    await eventually('what was held to run', () => runs.find((run) => run.id === held));
  });

  it('refuses a filter that it does not understand, and states that have not ended', async () => {
    for (const path of ['replay', 'purge']) {
      for (const filter of [{ stat: 'dead' }, { state: 'pending' }, { state: 'running' }, { since: 'yesterday' }]) {
        const answer = await app.client.request('POST', `/api/v1/deliveries/${path}`, { filter });
        expect([path, filter, answer.status]).toEqual([path, filter, 422]);
      }
    }
    const answer = await app.client.request('POST', '/api/v1/deliveries/replay', { targetId: randomUUID() });
    expect(answer.body.detail[0]).toMatchObject({ loc: ['body', 'targetId'], type: 'not_found' });
    expect((await app.client.get('/api/v1/jobs')).items).toEqual([]);
  });

  it('fails with what was thrown after it was tried again, and goes on where it is mended meanwhile', async () => {
    await dead(2);
    const spoil = async (rate: number): Promise<string> => {
      const { id } = await app.client.post('/api/v1/deliveries/replay', { ratePerSecond: rate });
      await db()
        .updateTable('jobs')
        .set({ filter: '{"state":"nonsense"}', run_at: new Date() })
        .where('id', '=', id)
        .execute();
      return id;
    };
    // The first batch may be over before it is spoilt: two are dead, and one a second is made.
    const mended = await spoil(0.5);
    await eventually('a batch to fail', async () => {
      const { error } = await app.client.get(`/api/v1/jobs/${mended}`);
      return error === null ? undefined : true;
    });
    await db().updateTable('jobs').set({ filter: '{"state":"dead"}' }).where('id', '=', mended).execute();
    expect(await ended(app.client, mended)).toMatchObject({ error: null });
    expect(await replaysOf(mended)).toHaveLength(2);

    await dead(2);
    const failed = await ended(app.client, await spoil(0.5), 'failed');
    expect(failed.error).toContain('state');
    expect(failed.finishedAt).not.toBeNull();
  });

  it('of another tenant are neither counted nor touched', async () => {
    const ids = await dead(4);
    const stranger = await app.clientFor('write', await app.newTenant('stranger'));
    for (const path of ['replay', 'purge']) {
      expect(await stranger.post(`/api/v1/deliveries/${path}`, { dryRun: true })).toMatchObject({ count: 0 });
      const { id } = await stranger.post(`/api/v1/deliveries/${path}`, {});
      expect(await ended(stranger, id)).toMatchObject({ total: 0, done: 0 });
      expect((await app.client.request('GET', `/api/v1/jobs/${id}`)).status).toBe(404);
    }
    expect((await app.client.get('/api/v1/deliveries')).items.map((one: any) => one.id).toSorted()).toEqual(ids);
    const reader = await app.clientFor('read');
    expect((await reader.request('POST', '/api/v1/deliveries/purge', { dryRun: true })).status).toBe(403);
  });

  it('are listed by provider, reason, handler and time', async () => {
    const old = await dead(2, { reason: 'timeout' });
    await sql`update deliveries set created_at = now() - interval '1 minute' where id = any(${old}::uuid[])`.execute(
      db(),
    );
    const fresh = await dead(3);
    const listed = async (query: string) =>
      (await app.client.get(`/api/v1/deliveries?${query}`)).items.map((one: any) => one.id).toSorted();
    const since = new Date(Date.now() - 30_000).toISOString();
    expect(await listed(`since=${since}`)).toEqual(fresh);
    expect(await listed(`until=${since}`)).toEqual(old);
    expect(await listed('reason=timeout')).toEqual(old);
    expect(await listed('reason=timeout&state=dead&provider=standard-webhooks&handlerKind=process')).toEqual(old);
    expect(await listed('provider=slack')).toEqual([]);
    expect(await listed('handlerKind=chat_reply')).toEqual([]);
    expect((await app.client.request('GET', '/api/v1/deliveries?since=now')).status).toBe(422);
  });
});

describeEachDatabase('a job whose worker is lost', (database) => {
  let app: TestApp;
  const db = () => database().db;

  beforeAll(async () => {
    // ROLE=ingest: nobody works on jobs but the test itself.
    app = await startTestApp(database(), { env: { ROLE: 'ingest' } });
  });
  afterAll(async () => {
    await app.stop();
  });

  async function book(count: number): Promise<{ jobId: string; ids: string[] }> {
    for (const table of ['jobs', 'deliveries'] as const) await db().deleteFrom(table).execute();
    const channel = await createWebhookChannel(app.client);
    const ids = await bookDead(db(), count, { tenantId: app.tenantId, channelId: channel.id });
    const { id } = await app.client.post('/api/v1/deliveries/replay', {});
    return { jobId: id, ids };
  }

  const repeated = async () =>
    (
      await db().selectFrom('deliveries').select('replay_of').where('job_id', 'is not', null).orderBy('id').execute()
    ).map((row) => row.replay_of);

  async function finish(worker: string, handle = database().db): Promise<void> {
    for (;;) {
      const job = await claimJob(handle, worker, 30);
      if (!job) return;
      await runBatch(handle, job, worker, app.app.services);
    }
  }

  it('goes on elsewhere when the lease has ended, from where it was, and does nothing twice', async () => {
    const { jobId, ids } = await book(1_200);
    const first = await claimJob(db(), 'lost', 30);
    if (!first) throw new Error('there is a job');
    expect(await runBatch(db(), first, 'lost', app.app.services)).toMatchObject({ done: 500, isLast: false });
    // It claims the next batch, and is not heard of again for longer than its lease.
    const late = await claimJob(db(), 'lost', 0);
    if (!late) throw new Error('the job goes on');
    // The embedded database's clock has milliseconds only.
    await new Promise((resolve) => setTimeout(resolve, 20));
    const other = database().another().db;
    const taken = await claimJob(other, 'next', 30);
    expect(taken).toMatchObject({ id: jobId });
    expect(await claimJob(db(), 'third', 30)).toBeUndefined();
    expect(await runBatch(db(), late, 'lost', app.app.services)).toBeUndefined();
    expect(await repeated()).toEqual(ids.slice(0, 500));
    if (!taken) throw new Error('it was taken over');
    await runBatch(other, taken, 'next', app.app.services);
    await finish('next', other);
    expect(await repeated()).toEqual(ids);
    expect(await app.client.get(`/api/v1/jobs/${jobId}`)).toMatchObject({
      state: 'succeeded',
      done: 1_200,
      changed: 1_200,
    });
  });

  it('waits with cancelling for the batch under way, and then does no more', async () => {
    const { jobId } = await book(600);
    const job = await claimJob(db(), 'w', 30);
    if (!job) throw new Error('there is a job');
    const [batch, cancelled] = await Promise.all([
      runBatch(db(), job, 'w', app.app.services),
      app.client.post(`/api/v1/jobs/${jobId}/cancel`),
    ]);
    expect(cancelled.done).toBe(batch?.done ?? 0);
    await finish('w');
    expect(await repeated()).toHaveLength(cancelled.done);
  });

  it('loses the batch under way with its connection, and no more', async (context) => {
    // The embedded database has one connection, which dies with its process.
    context.skip(database().kind === 'embedded');
    const { jobId, ids } = await book(700);
    await db()
      .updateTable('deliveries')
      .set({ holds_key: true })
      .where('id', '=', ids[600] as string)
      .execute();
    await finishOne();
    const dying = database().another().db;
    const observer = database().another().db;
    const job = await claimJob(dying, 'dying', 0);
    if (!job) throw new Error('the job goes on');
    // Its replays are written and not committed when it meets a row that somebody else has locked.
    await db()
      .transaction()
      .execute(async (trx) => {
        await sql`select 1 from deliveries where id = ${ids[600]} for update`.execute(trx);
        const lost = runBatch(dying, job, 'dying', app.app.services);
        lost.catch(() => {});
        await eventually('the batch to wait for the row', async () => {
          const { rows } = await sql`select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock' and query like '%holds_key = false%'`.execute(
            observer,
          );
          return rows.length > 0 ? true : undefined;
        });
        await expect(lost).rejects.toThrow();
      });
    expect(await repeated()).toEqual(ids.slice(0, 500));
    await finish('next');
    expect(await repeated()).toEqual(ids);
    expect(await app.client.get(`/api/v1/jobs/${jobId}`)).toMatchObject({ state: 'succeeded', done: 700 });
  });

  async function finishOne(): Promise<void> {
    const job = await claimJob(db(), 'w', 30);
    if (job) await runBatch(db(), job, 'w', app.app.services);
  }
});

describeEachDatabase('one delivery by hand', (database) => {
  let app: TestApp;
  let target: TestTarget;
  const db = () => database().db;

  beforeAll(async () => {
    app = await startTestApp(database());
    target = await startTestTarget();
  });
  afterAll(async () => {
    await app.stop();
    await target.stop();
  });
  beforeEach(() => {
    target.received.length = 0;
    target.answer = (_received, response) => response.end('ok');
  });

  async function connect(config: object = {}, policy: object = {}) {
    const made = await app.client.post('/api/v1/targets', { kind: 'http', name: 't', url: target.url, policy });
    const channel = await createWebhookChannel(app.client);
    await app.client.post('/api/v1/communications/routes', { channelId: channel.id, targetId: made.id, config });
    return { channel, targetId: made.id as string };
  }

  async function post(channel: TestChannel, text = 'work'): Promise<string> {
    const id = `msg_${randomUUID()}`;
    await postEvent(channel, { sender: 'ada', thread: 'T', text }, id);
    return id;
  }

  async function deliveryOf(id: string): Promise<any> {
    const message = await messageWith(app, id, 'routed', 'processed', 'failed');
    const trace = await app.client.get(`/api/v1/inbound/messages/${message.id}/trace`);
    return trace.deliveries.at(-1);
  }

  it('is replayed to another target', async () => {
    const { channel } = await connect({}, { maxAttempts: 1 });
    target.answer = (_received, response) => response.writeHead(400).end();
    const id = await post(channel);
    await messageWith(app, id, 'failed');
    const dead = await deliveryOf(id);
    const other = await startTestTarget();
    try {
      const made = await app.client.post('/api/v1/targets', { kind: 'http', name: 'mended', url: other.url });
      const path = `/api/v1/deliveries/${dead.id}/replay`;
      const unknown = await app.client.request('POST', path, { targetId: randomUUID() });
      expect([unknown.status, unknown.body.detail[0].loc]).toEqual([422, ['body', 'targetId']]);
      const replay = await app.client.post(path, { targetId: made.id });
      expect(replay).toMatchObject({ targetId: made.id, replayOf: dead.id });
      await messageWith(app, id, 'processed');
      expect(other.received).toHaveLength(1);

      const { id: jobId } = await app.client.post('/api/v1/deliveries/replay', {
        filter: { messageId: dead.messageId, replayed: true },
        targetId: made.id,
      });
      expect(await ended(app.client, jobId)).toMatchObject({ targetId: made.id, changed: 1 });
      await eventually('the second replay', () => (other.received.length === 2 ? true : undefined));
      expect(new Set(other.received.map((one) => one.headers['webhook-id'])).size).toBe(2);
      expect(target.received).toHaveLength(1);
    } finally {
      await other.stop();
    }
  });

  it('is cancelled while it waits, and the next of its conversation goes', async () => {
    const { channel, targetId } = await connect({ order: 'conversation' });
    await app.client.patch(`/api/v1/targets/${targetId}`, { status: 'paused' });
    const [first, second] = [await post(channel, 'first'), await post(channel, 'second')];
    const head = await deliveryOf(first);
    expect(await deliveryOf(second)).toMatchObject({ waitingFor: 'order' });
    const cancelled = await app.client.post(`/api/v1/deliveries/${head.id}/cancel`);
    expect(cancelled).toMatchObject({ state: 'cancelled', waitingFor: null, error: { code: 'cancelled' } });
    expect((await messageWith(app, first, 'failed')).error).toMatchObject({ code: 'cancelled' });
    expect(await deliveryOf(second)).toMatchObject({ waitingFor: 'target_paused' });
    await app.client.patch(`/api/v1/targets/${targetId}`, { status: 'active' });
    await messageWith(app, second, 'processed');
    expect(target.received.map((one) => one.body.data.message.text)).toEqual(['second']);
    expect((await app.client.request('POST', `/api/v1/deliveries/${head.id}/cancel`)).status).toBe(409);
  });

  it('is cancelled while it awaits a callback, which then comes too late', async () => {
    const { channel } = await connect();
    const id = await post(channel);
    await messageWith(app, id, 'processed');
    const delivery = await deliveryOf(id);
    await db().updateTable('deliveries').set({ state: 'awaiting' }).where('id', '=', delivery.id).execute();
    expect(await app.client.post(`/api/v1/deliveries/${delivery.id}/cancel`)).toMatchObject({ state: 'cancelled' });
  });

  it('is not cancelled while it runs', async () => {
    const { channel } = await connect();
    let release = (): void => {};
    target.answer = (_received, response) => {
      release = () => response.end('ok');
    };
    const id = await post(channel);
    await eventually('it to run', () => (target.received.length > 0 ? true : undefined));
    const { id: deliveryId } = await deliveryOf(id);
    const answer = await app.client.request('POST', `/api/v1/deliveries/${deliveryId}/cancel`);
    expect([answer.status, answer.body.detail[0].msg]).toEqual([409, 'the delivery cannot be cancelled: it runs now']);
    release();
    await messageWith(app, id, 'processed');
  });

  it('refuses a body that is not JSON, because it would not be looked at', async () => {
    const { channel } = await connect();
    const id = await post(channel);
    await messageWith(app, id, 'processed');
    const { id: deliveryId } = await deliveryOf(id);
    const answer = await fetch(`${app.url}/api/v1/deliveries/${deliveryId}/replay`, {
      method: 'POST',
      headers: { authorization: `Bearer ${app.token}`, 'content-type': 'application/x-www-form-urlencoded' },
      body: JSON.stringify({ targetId: randomUUID() }),
    });
    expect(answer.status).toBe(422);
    expect(target.received).toHaveLength(1);
  });
});
