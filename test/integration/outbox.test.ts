import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { sql, type Kysely } from 'kysely';
import { z } from 'zod';
import { defineHandler } from '../../src/handler.ts';
import { createSafeFetch } from '../../src/lib/safe-fetch.ts';
import { claimDeliveries, type Claim } from '../../src/outbox/claim.ts';
import { reapExpiredLeases, releaseClaims, renewLeases } from '../../src/outbox/leases.ts';
import { completeDeliveries, nothingMore, type Completion } from '../../src/outbox/complete.ts';
import type { Database } from '../../src/db/schema.ts';
import { describeEachDatabase } from '../support/databases.ts';
import { createWebhookChannel, messageWith, postEvent, type TestChannel } from '../support/story.ts';
import { eventually, startTestApp, type TestApp } from '../support/test-app.ts';
import { startTestTarget, type TestTarget } from '../support/test-target.ts';

/** A claim by the only worker there is, from the beginning of the round. */
async function claimNow(
  db: Kysely<Database>,
  worker: string,
  free: number,
  leaseSeconds: number,
): Promise<readonly Claim[]> {
  const position = { tenant: null, targets: {} };
  const { claims } = await claimDeliveries(db, { worker, free, leaseSeconds, workers: 1, rank: 0, load: [], position });
  return claims;
}

describeEachDatabase('the outbox', (database) => {
  let app: TestApp;
  let target: TestTarget;

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

  /** A channel whose messages go to a target with this policy. */
  async function connect(policy: object = {}): Promise<{ channel: TestChannel; targetId: string }> {
    const made = await app.client.post('/api/v1/targets', { kind: 'http', name: 'target', url: target.url, policy });
    const channel = await createWebhookChannel(app.client);
    await app.client.post('/api/v1/communications/routes', { channelId: channel.id, targetId: made.id });
    return { channel, targetId: made.id };
  }

  async function post(channel: TestChannel): Promise<string> {
    const id = `msg_${randomUUID()}`;
    expect((await postEvent(channel, { sender: 'ada', text: 'work' }, id)).status).toBe(200);
    return id;
  }

  const traceOf = (message: { id: string }) => app.client.get(`/api/v1/inbound/messages/${message.id}/trace`);

  it('tries again after a failure, with the same id and body, and logs each attempt', async () => {
    const { channel } = await connect({ backoffBaseMs: 20 });
    let fails = 2;
    target.answer = (_received, response) => {
      response.statusCode = fails > 0 ? 503 : 200;
      fails -= 1;
      response.end('busy');
    };
    const message = await messageWith(app, await post(channel), 'processed');
    expect(target.received).toHaveLength(3);
    expect(new Set(target.received.map((one) => one.headers['webhook-id'])).size).toBe(1);
    expect(target.received.map((one) => one.body.data.delivery.attempt)).toEqual([1, 2, 3]);
    const [delivery] = (await traceOf(message)).deliveries;
    expect(delivery).toMatchObject({ state: 'succeeded', attemptCount: 3, result: { status: 200 } });
    expect(delivery.attempts.map((attempt: any) => [attempt.outcome, attempt.statusCode, attempt.response])).toEqual([
      ['retry', 503, 'busy'],
      ['retry', 503, 'busy'],
      ['succeeded', 200, 'busy'],
    ]);
  });

  it('waits as long as Retry-After asks', async () => {
    const { channel } = await connect({ backoffBaseMs: 1 });
    target.answer = (one, response) => {
      if (one.body.data.delivery.attempt === 1) response.writeHead(429, { 'retry-after': '1' }).end();
      else response.end();
    };
    await messageWith(app, await post(channel), 'processed');
    const [first, second] = target.received;
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(950);
  });

  it.each([400, 401, 403, 404, 409, 422])(
    'makes a delivery dead at once when the target answers %i',
    async (status) => {
      const { channel } = await connect({ backoffBaseMs: 1 });
      target.answer = (_received, response) => response.writeHead(status).end('no');
      const message = await messageWith(app, await post(channel), 'failed');
      expect(message.error).toMatchObject({ code: 'target_refused', status });
      expect(target.received).toHaveLength(1);
    },
  );

  it.each([301, 408, 425, 429, 500, 502])('tries again when the target answers %i', async (status) => {
    const { channel } = await connect({ backoffBaseMs: 1, maxAttempts: 2 });
    target.answer = (_received, response) => response.writeHead(status, { location: target.url }).end();
    const message = await messageWith(app, await post(channel), 'failed');
    expect(message.error).toMatchObject({ code: 'target_failed', status, exhausted: true, attempts: 2 });
    expect(target.received).toHaveLength(2);
  });

  it('pauses a target that answers 410, holds what comes after, and lets it go on by hand', async () => {
    const { channel, targetId } = await connect();
    target.answer = (_received, response) => response.writeHead(410).end();
    await messageWith(app, await post(channel), 'failed');
    const paused = await eventually('the target to be paused', async () => {
      const seen = await app.client.get(`/api/v1/targets/${targetId}`);
      return seen.status === 'paused' ? seen : undefined;
    });
    expect(paused.statusReason).toBe('answered_410_gone');
    const id = await post(channel);
    const message = await messageWith(app, id, 'routed');
    await eventually('the delivery to wait for its target', async () =>
      (await traceOf(message)).deliveries.find(
        (one: any) => one.waitingFor === 'target_paused' && one.attemptCount === 0,
      ),
    );
    expect(target.received).toHaveLength(1);
    target.answer = (_received, response) => response.end();
    await app.client.patch(`/api/v1/targets/${targetId}`, { status: 'active' });
    await messageWith(app, id, 'processed');
  });

  it('keeps a dead delivery, and replays it under an id of its own', async () => {
    const { channel } = await connect({ maxAttempts: 1 });
    target.answer = (_received, response) => response.writeHead(500).end();
    const message = await messageWith(app, await post(channel), 'failed');
    const [dead] = (await app.client.get(`/api/v1/deliveries?state=dead&messageId=${message.id}`)).items;
    expect(dead).toMatchObject({ state: 'dead', messageId: message.id });

    target.answer = (_received, response) => response.end();
    const replay = await app.client.post(`/api/v1/deliveries/${dead.id}/replay`);
    expect(replay).toMatchObject({ replayOf: dead.id });
    expect(replay.id).not.toBe(dead.id);
    await messageWith(app, message.channelMessageId, 'processed');
    const [first, second] = target.received;
    expect(second?.headers['webhook-id']).toBe(replay.id);
    expect(second?.headers['webhook-id']).not.toBe(first?.headers['webhook-id']);
    expect(second?.body.data.delivery.replayOf).toBe(dead.id);
    const seen = await app.client.get(`/api/v1/deliveries/${replay.id}`);
    expect(seen).toMatchObject({ state: 'succeeded', attempts: [{ outcome: 'succeeded' }] });
  });

  it('refuses to replay what has not ended', async () => {
    const { channel, targetId } = await connect();
    await app.client.patch(`/api/v1/targets/${targetId}`, { status: 'paused' });
    const message = await messageWith(app, await post(channel), 'routed');
    const [delivery] = (await traceOf(message)).deliveries;
    const answer = await app.client.request('POST', `/api/v1/deliveries/${delivery.id}/replay`);
    expect(answer.status).toBe(409);
  });

  it('gives up on a target that hangs, after its timeout', async () => {
    const { channel } = await connect({ timeoutMs: 150, maxAttempts: 1 });
    target.answer = () => {};
    const message = await messageWith(app, await post(channel), 'failed');
    expect(message.error).toMatchObject({ code: 'timeout' });
  });

  it('makes what waits for a deleted target dead, with its reason', async () => {
    const { channel, targetId } = await connect();
    await app.client.patch(`/api/v1/targets/${targetId}`, { status: 'paused' });
    const id = await post(channel);
    const message = await messageWith(app, id, 'routed');
    await eventually('the delivery to wait for its target', async () =>
      (await traceOf(message)).deliveries.find((one: any) => one.waitingFor === 'target_paused'),
    );
    expect((await app.client.request('DELETE', `/api/v1/targets/${targetId}`)).status).toBe(204);
    expect((await messageWith(app, id, 'failed')).error).toMatchObject({ code: 'target_deleted' });
  });

  it('signs with both secrets while a target’s secret is rotated', async () => {
    const { channel, targetId } = await connect();
    const before = await app.client.post(`/api/v1/targets/${targetId}/rotate-secret`, { graceSeconds: 0 });
    const after = await app.client.post(`/api/v1/targets/${targetId}/rotate-secret`, { graceSeconds: 60 });
    await messageWith(app, await post(channel), 'processed');
    const [received] = target.received;
    if (!received) throw new Error('nothing was received');
    for (const { secret } of [before, after]) expect(() => target.verify(received, secret)).not.toThrow();
  });
});

describeEachDatabase('leases and fences', (database) => {
  let app: TestApp;
  let messageId: string;
  const db = () => database().db;

  beforeAll(async () => {
    // ROLE=ingest: nothing claims but the test itself.
    app = await startTestApp(database(), { env: { ROLE: 'ingest' } });
    const channel = await createWebhookChannel(app.client);
    await postEvent(channel, { sender: 'ada', text: 'work' }, 'msg_lease');
    messageId = (await messageWith(app, 'msg_lease', 'received')).id;
  });
  afterAll(async () => {
    await app.stop();
  });
  beforeEach(async () => {
    await db().deleteFrom('attempts').execute();
    await db().deleteFrom('deliveries').execute();
  });

  async function book(count: number): Promise<void> {
    await db()
      .insertInto('deliveries')
      .values(
        Array.from({ length: count }, () => ({
          tenant_id: app.tenantId,
          id: randomUUID(),
          message_id: messageId,
          route_id: null,
          target_id: null,
          handler_kind: 'process',
          lease_owner: null,
          replay_of: null,
        })),
      )
      .execute();
  }

  const success = (claimed: Completion['claim'], worker: string): Completion => ({
    claim: claimed,
    worker,
    from: 'running',
    outcome: 'succeeded',
    ...nothingMore,
    result: { by: worker },
    statusCode: 200,
    startedAt: new Date(),
    durationMs: 1,
  });

  it('two workers that claim at once never get the same delivery', async () => {
    await book(60);
    const other = database().another();
    const claims = await Promise.all(
      Array.from({ length: 10 }, (_unused, index) =>
        claimNow(index % 2 ? db() : other.db, index % 2 ? 'a' : 'b', 10, 30),
      ),
    );
    const ids = claims.flat().map((claim) => claim.id);
    expect(new Set(ids).size).toBe(ids.length);
    // Two that meet may each get less than they asked for; a later claim finds the rest.
    const rest = await claimNow(db(), 'a', 100, 30);
    expect(ids.length + rest.length).toBe(60);
  });

  it('one group may hold ends of several tenants and workers, of first and later tries', async () => {
    await book(6);
    const elsewhere = randomUUID();
    await sql`update deliveries set tenant_id = ${elsewhere} where id in (
      select id from deliveries where state = 'pending' order by id limit 2)`.execute(db());
    const given = await claimNow(db(), 'a', 2, 30);
    await releaseClaims(db(), given);
    const [first, rest] = [await claimNow(db(), 'a', 3, 30), await claimNow(db(), 'b', 3, 30)];
    const ends = [...first.map((one) => success(one, 'a')), ...rest.map((one) => success(one, 'b'))];
    expect(new Set(ends.map(({ claim }) => claim.tenant_id))).toEqual(new Set([app.tenantId, elsewhere]));
    expect(new Set(ends.map(({ claim }) => claim.fence))).toEqual(new Set(['1', '2']));
    const counted = await completeDeliveries(db(), ends);
    expect(counted).toEqual(ends.map(() => ({ counted: true, callback: null })));

    const logged = await db().selectFrom('attempts').selectAll().execute();
    const own = new Map(logged.map((one) => [one.delivery_id, one]));
    for (const { claim, worker } of ends) {
      const { id, tenant_id, fence, attempts: number } = claim;
      expect(own.get(id)).toMatchObject({ tenant_id, fence, number, worker, outcome: 'succeeded' });
    }
    expect(logged).toHaveLength(ends.length);
  });

  it('a late worker cannot complete a delivery that was taken over', async () => {
    await book(1);
    const [late] = await claimNow(db(), 'late', 1, 0);
    if (!late) throw new Error('nothing was claimed');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await reapExpiredLeases(db())).toBe(1);
    const [taken] = await claimNow(db(), 'next', 1, 30);
    expect(taken).toMatchObject({ id: late.id, attempts: 2 });
    expect(Number(taken?.fence)).toBe(Number(late.fence) + 1);

    expect(await completeDeliveries(db(), [success(late, 'late')])).toMatchObject([{ counted: false }]);
    const during = await app.client.get(`/api/v1/deliveries/${late.id}`);
    expect(during).toMatchObject({ state: 'running', result: null });
    expect(during.attempts).toMatchObject([{ number: 1, outcome: 'lease_expired', worker: 'late' }]);
    expect((await app.client.get(`/api/v1/inbound/messages/${messageId}`)).status).toBe('received');

    if (!taken) throw new Error('nothing was taken over');
    expect(await completeDeliveries(db(), [success(taken, 'next')])).toMatchObject([{ counted: true }]);
    const after = await app.client.get(`/api/v1/deliveries/${late.id}`);
    expect(after).toMatchObject({ state: 'succeeded', result: { by: 'next' } });
    expect(after.attempts.map((attempt: any) => attempt.outcome)).toEqual(['lease_expired', 'succeeded']);
  });

  it('logs the attempt of a late worker as superseded where nobody had logged it', async () => {
    await book(1);
    const [late] = await claimNow(db(), 'late', 1, 30);
    if (!late) throw new Error('nothing was claimed');
    await releaseClaims(db(), [late]);
    await claimNow(db(), 'next', 1, 30);
    expect(await completeDeliveries(db(), [success(late, 'late')])).toMatchObject([{ counted: false }]);
    const { attempts } = await app.client.get(`/api/v1/deliveries/${late.id}`);
    expect(attempts).toMatchObject([{ outcome: 'superseded', worker: 'late' }]);
  });

  it('a worker whose claim the server lost in a crash changes nothing, whoever has its fence now', async () => {
    await book(1);
    const [lost] = await claimNow(db(), 'lost', 1, 30);
    if (!lost) throw new Error('nothing was claimed');
    // As if the claim had never been.
    await sql`update deliveries set state = 'pending', fence = fence - 1, attempts = attempts - 1, lease_owner = null,
      lease_until = null where id = ${lost.id}`.execute(db());
    expect(await completeDeliveries(db(), [success(lost, 'lost')])).toMatchObject([{ counted: false }]);
    const [next] = await claimNow(db(), 'next', 1, 30);
    if (!next) throw new Error('it is not due any more');
    expect(next.fence).toBe(lost.fence);
    expect(await completeDeliveries(db(), [success(lost, 'lost')])).toMatchObject([{ counted: false }]);
    expect(await completeDeliveries(db(), [success(next, 'next')])).toMatchObject([{ counted: true }]);
    const after = await app.client.get(`/api/v1/deliveries/${lost.id}`);
    expect(after).toMatchObject({ state: 'succeeded', result: { by: 'next' } });
    expect(after.attempts).toMatchObject([{ number: 1, outcome: 'succeeded', worker: 'next' }]);
  });

  it('a lease that is renewed does not end; one that was lost is not renewed', async () => {
    await book(2);
    const claims = await claimNow(db(), 'a', 2, 0);
    const [kept, lost] = claims;
    if (!kept || !lost) throw new Error('two were booked');
    expect(await renewLeases(db(), 'a', [kept], 30)).toEqual(new Set([kept.id]));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await reapExpiredLeases(db())).toBe(1);
    expect(await renewLeases(db(), 'a', claims, 30)).toEqual(new Set([kept.id]));
  });

  it('what is released is due again and has not burnt a try', async () => {
    await book(1);
    const claims = await claimNow(db(), 'a', 1, 30);
    await releaseClaims(db(), claims);
    expect(await claimNow(db(), 'b', 1, 30)).toMatchObject([{ attempts: 1 }]);
  });
});

describeEachDatabase('a worker that stops', (database) => {
  it('finishes what runs, releases the rest, and another worker takes it on', async () => {
    const secretKey = Buffer.alloc(32, 7).toString('base64');
    const first = await startTestApp(database(), { env: { WORKER_CONCURRENCY: '2' }, secretKey });
    const target = await startTestTarget();
    try {
      const made = await first.client.post('/api/v1/targets', { kind: 'http', name: 't', url: target.url });
      const channel = await createWebhookChannel(first.client);
      await first.client.post('/api/v1/communications/routes', { channelId: channel.id, targetId: made.id });
      target.answer = (_received, response) => void setTimeout(() => response.end(), 150);
      const ids = Array.from({ length: 8 }, (_unused, index) => `msg_stop_${index}`);
      await Promise.all(ids.map((id) => postEvent(channel, { sender: 'ada' }, id)));
      await eventually('two to run', () => (target.received.length >= 2 ? true : undefined));
      await first.stop();
      const { rows } = await countStates(database());
      expect(rows['running'] ?? 0).toBe(0);
      expect((rows['succeeded'] ?? 0) + (rows['pending'] ?? 0)).toBe(8);
      expect(rows['succeeded']).toBe(target.received.length);

      const second = await startTestApp(database(), { secretKey });
      for (const id of ids) await messageWith(second, id, 'processed');
      await second.stop();
      const delivered: string[] = target.received.map((one) => one.body.data.message.channelMessageId);
      expect(delivered.toSorted()).toEqual(ids.toSorted());
    } finally {
      await target.stop();
    }
  });

  async function countStates({ db }: { db: ReturnType<typeof database>['db'] }) {
    const rows = await db
      .selectFrom('deliveries')
      .select(['state', (eb) => eb.fn.countAll<string>().as('count')])
      .groupBy('state')
      .execute();
    return { rows: Object.fromEntries(rows.map((row) => [row.state, Number(row.count)])) };
  }
});

describeEachDatabase('targets that must not be called', (database) => {
  it('refuses an address of the inside when the target is made, and again when it is called', async () => {
    const app = await startTestApp(database(), { env: { ALLOW_PRIVATE_TARGETS: '' } });
    try {
      for (const url of [
        'http://127.0.0.1:9/x',
        'http://169.254.169.254/latest',
        'http://[::1]/',
        'http://2130706433/',
      ]) {
        const answer = await app.client.request('POST', '/api/v1/targets', { kind: 'http', name: 'inside', url });
        expect([url, answer.status]).toEqual([url, 422]);
        expect(answer.body.detail[0]).toMatchObject({ loc: ['body', 'url'], type: 'blocked_address' });
      }
      // A name is judged when it is resolved: it may point to the inside at any later time.
      const made = await app.client.post('/api/v1/targets', {
        kind: 'http',
        name: 'rebound',
        url: 'http://127.0.0.1.nip.invalid/x',
        policy: { maxAttempts: 1 },
      });
      expect(made.id).toBeTruthy();
      await expect(
        createSafeFetch({ allowPrivate: [] }).fetch('http://127.0.0.1:9/', {
          method: 'POST',
          timeoutMs: 1_000,
          maxResponseBytes: 1,
        }),
      ).rejects.toMatchObject({ code: 'blocked_address' });
    } finally {
      await app.stop();
    }
  });
});

describeEachDatabase('a handler that does not listen', (database) => {
  it('is ended after its time, and tried again', async () => {
    let runs = 0;
    const deaf = defineHandler({
      kind: 'process',
      config: z.looseObject({}),
      policy: { timeoutMs: 100 },
      async run() {
        runs += 1;
        if (runs === 1) await new Promise(() => {});
        return { runs };
      },
    });
    const app = await startTestApp(database(), { overrides: { handlers: new Map([[deaf.kind, deaf]]) } });
    const channel = await createWebhookChannel(app.client);
    await app.client.post('/api/v1/communications/routes', { channelId: channel.id });
    await postEvent(channel, { sender: 'ada' }, 'msg_deaf');
    const [delivery] = await eventually('the first run to be ended', async () => {
      const { items } = await app.client.get('/api/v1/deliveries');
      return items[0]?.error ? items : undefined;
    });
    expect(delivery).toMatchObject({ state: 'pending', attemptCount: 1, error: { code: 'timeout' } });
    await app.stop();
  });
});
