import { randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/schema.ts';
import { newId } from '../../src/lib/ids.ts';
import { claimDeliveries, type ClaimRequest, type Claimed } from '../../src/outbox/claim.ts';
import { createClaimNotes } from '../../src/outbox/claim-notes.ts';
import { createClaimer } from '../../src/outbox/claimer.ts';
import type { Position } from '../../src/outbox/find-lanes.ts';
import { createLanes } from '../../src/outbox/lanes.ts';
import { leaveWorkers, noteWorker } from '../../src/outbox/workers.ts';
import { describeEachDatabase } from '../support/databases.ts';
import { createWebhookChannel, messageWith, postEvent } from '../support/story.ts';
import { eventually, startTestApp, type TestApp } from '../support/test-app.ts';
import { startTestTarget, type TestTarget } from '../support/test-target.ts';

const start: Position = { tenant: null, targets: {} };

function claim(db: Kysely<Database>, given: Partial<ClaimRequest> = {}): Promise<Claimed> {
  return claimDeliveries(db, {
    worker: 'w',
    free: 10,
    leaseSeconds: 30,
    workers: 1,
    rank: 0,
    load: [],
    position: start,
    ...given,
  });
}

describeEachDatabase('claims', (database) => {
  const db = () => database().db;
  beforeEach(async () => {
    await sql`truncate deliveries, targets, tenants cascade`.execute(db());
  });

  async function newTenant(): Promise<string> {
    const id = newId();
    await db().insertInto('tenants').values({ id, name: 't' }).execute();
    return id;
  }

  async function newTarget(tenantId: string, policy: object = {}, columns: object = {}): Promise<string> {
    const id = newId();
    await db()
      .insertInto('targets')
      .values({
        tenant_id: tenantId,
        id,
        kind: 'http',
        name: 't',
        url: 'https://example.com',
        secrets: '',
        policy: JSON.stringify(policy),
        ...columns,
      })
      .execute();
    return id;
  }

  async function book(tenantId: string, targetId: string | null, count: number, runAt = new Date(0)): Promise<void> {
    await sql`insert into deliveries (tenant_id, id, message_id, target_id, handler_kind, run_at)
      select ${tenantId}::uuid, gen_random_uuid(), gen_random_uuid(), ${targetId}::uuid, 'process', ${runAt}::timestamptz
      from generate_series(1, ${count}::int)`.execute(db());
  }

  const countBy = (claimed: Claimed, key: 'tenant_id' | 'target_id') =>
    claimed.claims.reduce<Record<string, number>>((counts, one) => {
      const name = one[key] ?? 'none';
      return { ...counts, [name]: (counts[name] ?? 0) + 1 };
    }, {});

  it('go round the tenants: a great many of one cost another nothing', async () => {
    const [many, few] = [await newTenant(), await newTenant()];
    await book(many, null, 5_000);
    await book(few, null, 3, new Date(1_000));
    expect(countBy(await claim(db(), { free: 10 }), 'tenant_id')).toEqual({ [many]: 5, [few]: 3 });
    expect(countBy(await claim(db(), { free: 10 }), 'tenant_id')).toEqual({ [many]: 10 });
  });

  it('go round the targets of a tenant, and round tenants before targets', async () => {
    const [wide, narrow] = [await newTenant(), await newTenant()];
    for (let index = 0; index < 12; index += 1) await book(wide, await newTarget(wide), 50);
    await book(narrow, await newTarget(narrow), 50);
    const counts = countBy(await claim(db(), { free: 24 }), 'tenant_id');
    // One target among thirteen, and yet more than a thirteenth: the tenants take turns.
    expect(counts[narrow]).toBeGreaterThanOrEqual(2);
    expect(counts[wide]).toBeGreaterThanOrEqual(12);
  });

  it('come by every tenant and every target, however many there are', async () => {
    const owners = await Promise.all(Array.from({ length: 150 }, newTenant));
    for (const owner of owners) await book(owner, null, 1);
    const broad = await newTenant();
    const targets = await Promise.all(Array.from({ length: 40 }, () => newTarget(broad)));
    for (const target of targets) await book(broad, target, 1);
    const seen: string[] = [];
    let position = start;
    let rounds = 0;
    while (rounds < 6) {
      const claimed = await claim(db(), { free: 500, position });
      seen.push(...claimed.claims.map((one) => `${one.tenant_id} ${one.target_id}`));
      ({ position } = claimed);
      if (claimed.isRound) rounds += 1;
    }
    expect(new Set(seen).size).toBe(190);
    expect(seen).toHaveLength(190);
  });

  it('take the share of a target’s concurrency that is left, and the shares make the whole', async () => {
    const tenant = await newTenant();
    const target = await newTarget(tenant, { concurrency: 5 });
    await book(tenant, target, 50);
    const shares = await Promise.all(
      [0, 1, 2].map(async (rank) => (await claim(db(), { free: 50, workers: 3, rank })).claims.length),
    );
    expect(shares.toSorted((a, b) => a - b)).toEqual([1, 2, 2]);
    const load = [{ tenantId: tenant, targetId: target, running: 2, tokens: null }];
    expect((await claim(db(), { free: 50, load })).claims).toHaveLength(3);
    const full = [{ tenantId: tenant, targetId: target, running: 5, tokens: null }];
    expect((await claim(db(), { free: 50, load: full })).claims).toHaveLength(0);
  });

  it('go beside each other where there is much to do, and still give a target no more than its share', async () => {
    const tenant = await newTenant();
    const [busy, paced] = [
      await newTarget(tenant, { concurrency: 900 }),
      await newTarget(tenant, { ratePerSecond: 200, concurrency: 1_000 }),
    ];
    for (const target of [null, busy, paced]) await book(tenant, target, 3_000);
    const lanes = createLanes(() => 0);
    const owners = new Map([
      [busy, { tenantId: tenant, targetId: busy, ratePerSecond: null }],
      [paced, { tenantId: tenant, targetId: paced, ratePerSecond: 200 }],
    ]);
    const notes = createClaimNotes();
    const claimer = createClaimer({ db: db(), name: 'w', leaseSeconds: 30, pollMs: 60_000, lanes, notes });
    const found: Record<string, number> = {};
    const take = async (): Promise<number> => {
      const { work } = await claimer.claim(2_000, { workers: 1, rank: 0 });
      for (const { claim: one } of work) {
        const owner = owners.get(one.target_id ?? '');
        if (owner) lanes.start(owner);
        found[one.target_id ?? 'none'] = (found[one.target_id ?? 'none'] ?? 0) + 1;
      }
      return work.length;
    };
    expect(claimer.mayClaimBeside(2_000)).toBe(false);
    const everywhere = take();
    expect([claimer.asked, claimer.mayClaimBeside(2_000)]).toEqual([500, false]);
    expect(await everywhere).toBe(500);
    // Everybody's turn; then what is known, twice at once.
    expect([claimer.mayClaimBeside(499), claimer.mayClaimBeside(500)]).toEqual([false, true]);
    const first = take();
    expect([claimer.asked, claimer.mayClaimBeside(1_500)]).toEqual([500, true]);
    const second = take();
    expect(claimer.asked).toBe(1_000);
    await Promise.all([first, second]);
    for (let round = 0; round < 3; round += 1) await Promise.all([take(), take()]);
    expect(claimer.asked).toBe(0);
    expect(found).toEqual({ none: 3_000, [busy]: 900, [paced]: 200 });
  });

  it('take no more than the rate has left', async () => {
    const tenant = await newTenant();
    const target = await newTarget(tenant, { concurrency: 50, ratePerSecond: 4 });
    await book(tenant, target, 50);
    expect((await claim(db(), { free: 50 })).claims).toHaveLength(4);
    const load = [{ tenantId: tenant, targetId: target, running: 0, tokens: 2 }];
    expect((await claim(db(), { free: 50, load })).claims).toHaveLength(2);
  });

  it('take nothing for a target that is paused or whose breaker is open', async () => {
    const tenant = await newTenant();
    const until = new Date(Date.now() + 60_000);
    await book(tenant, await newTarget(tenant, {}, { status: 'paused' }), 5);
    await book(tenant, await newTarget(tenant, {}, { breaker: 'open', breaker_until: until }), 5);
    await book(tenant, await newTarget(tenant, {}, { breaker: 'half_open', breaker_until: until }), 5);
    await book(tenant, await newTarget(tenant, {}, { breaker: 'open', breaker_until: null }), 5);
    const well = await newTarget(tenant);
    await book(tenant, well, 5);
    expect(countBy(await claim(db(), { free: 50 }), 'target_id')).toEqual({ [well]: 5 });
  });

  it('take one probe for a breaker that is due, whoever claims at once', async () => {
    const tenant = await newTenant();
    const target = await newTarget(tenant, {}, { breaker: 'open', breaker_until: new Date(0) });
    await book(tenant, target, 20);
    const others = [database().another(), database().another()];
    const claimed = await Promise.all(
      Array.from({ length: 9 }, (_unused, index) => claim(others[index % 2]?.db ?? db(), { free: 20 })),
    );
    expect(claimed.flatMap((one) => one.claims)).toHaveLength(1);
    const row = await db().selectFrom('targets').selectAll().where('id', '=', target).executeTakeFirstOrThrow();
    expect(row.breaker).toBe('half_open');
    expect(Number(row.breaker_until)).toBeGreaterThan(Date.now());
  });

  it('know by how many a limit is shared', async () => {
    expect(await noteWorker(db(), 'b', 30)).toEqual({ workers: 1, rank: 0 });
    expect(await noteWorker(db(), 'a', 30)).toEqual({ workers: 2, rank: 0 });
    expect(await noteWorker(db(), 'b', 30)).toEqual({ workers: 2, rank: 1 });
    await sql`update workers set seen_at = now() - interval '1 minute' where name = 'a'`.execute(db());
    expect(await noteWorker(db(), 'b', 30)).toEqual({ workers: 1, rank: 0 });
    await leaveWorkers(db(), 'b');
    expect(await noteWorker(db(), 'c', 30)).toEqual({ workers: 1, rank: 0 });
  });
});

describeEachDatabase('targets', (database) => {
  let app: TestApp;
  let target: TestTarget;
  let slow: TestTarget;
  beforeAll(async () => {
    app = await startTestApp(database(), { env: { WORKER_CONCURRENCY: '40' } });
    target = await startTestTarget();
    slow = await startTestTarget();
  });
  afterAll(async () => {
    await app.stop();
    await target.stop();
    await slow.stop();
  });
  beforeEach(() => {
    for (const one of [target, slow]) {
      one.received.length = 0;
      one.answer = (_received, response) => response.end('ok');
    }
  });

  async function connect(url: string, policy: object) {
    const made = await app.client.post('/api/v1/targets', { kind: 'http', name: 't', url, policy });
    const channel = await createWebhookChannel(app.client);
    await app.client.post('/api/v1/communications/routes', { channelId: channel.id, targetId: made.id });
    const post = async (count: number): Promise<string[]> => {
      const ids = Array.from({ length: count }, () => `msg_${randomUUID()}`);
      await Promise.all(ids.map((id) => postEvent(channel, { sender: 'ada', text: 'x', id }, id)));
      return ids;
    };
    return { targetId: made.id as string, post };
  }

  it('get no more at once than they take, and one that hangs slows nobody else', async () => {
    const open = new Set<object>();
    let most = 0;
    slow.answer = (received) => {
      open.add(received);
      most = Math.max(most, open.size);
    };
    const hanging = await connect(slow.url, { concurrency: 7, timeoutMs: 60_000 });
    const quick = await connect(target.url, {});
    await hanging.post(60);
    await eventually('the hanging target to be full', async () => open.size === 7 || undefined);
    const started = performance.now();
    const ids = await quick.post(30);
    await eventually('the others', async () => target.received.length === 30 || undefined);
    // As long as one try of the hanging target would be sixty seconds.
    expect(performance.now() - started).toBeLessThan(10_000);
    for (const id of ids.slice(0, 3)) await messageWith(app, id, 'processed');
    expect(most).toBe(7);
    await app.client.patch(`/api/v1/targets/${hanging.targetId}`, { status: 'paused' });
  });

  it('get no more in a second than they want', async () => {
    const limited = await connect(target.url, { ratePerSecond: 5, concurrency: 50 });
    await limited.post(18);
    await eventually('all of them', async () => target.received.length === 18 || undefined, 15_000);
    const times = target.received.map((one) => one.at);
    for (const at of times) {
      // A bucket of one second's worth, and what comes in within the next.
      expect(times.filter((other) => other >= at && other < at + 1_000).length).toBeLessThanOrEqual(11);
    }
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(2_000);
  });

  describe('with a breaker', () => {
    const breaker = { failures: 3, windowSeconds: 60, cooldownSeconds: 0.5, maxCooldownSeconds: 1 };
    const stateOf = async (id: string) => (await app.client.get(`/api/v1/targets/${id}`)).breaker;

    it('are left alone while it is open, without burning tries, and get everything once a probe gets through', async () => {
      let isDown = true;
      target.answer = (_received, response) => {
        response.statusCode = isDown ? 503 : 200;
        response.end();
      };
      const broken = await connect(target.url, { breaker, backoffBaseMs: 1, concurrency: 1 });
      const ids = await broken.post(10);
      const opened = await eventually('the breaker to open', async () => {
        const state = await stateOf(broken.targetId);
        return state.state === 'closed' ? undefined : state;
      });
      expect(opened).toMatchObject({ reason: 'the target answered 503' });
      expect(opened.failingSince).not.toBeNull();
      await eventually('some probes', async () => (await stateOf(broken.targetId)).openings >= 3 || undefined, 15_000);
      // Three to open it, and one for each probe since, where ten deliveries could have had hundreds.
      const { openings } = await stateOf(broken.targetId);
      expect(target.received.length).toBeLessThanOrEqual(3 + openings);
      const { items } = await app.client.get(`/api/v1/deliveries?targetId=${broken.targetId}&limit=50`);
      expect(items.some((one: any) => one.waitingFor === 'target_breaker' && one.attemptCount === 0)).toBe(true);

      isDown = false;
      for (const id of ids) await messageWith(app, id, 'processed');
      expect(await stateOf(broken.targetId)).toEqual({
        state: 'closed',
        probeAt: null,
        openings: 0,
        reason: null,
        failingSince: null,
      });
    });

    it('are not opened by refusals of single requests', async () => {
      target.answer = (_received, response) => response.writeHead(400).end();
      const picky = await connect(target.url, { breaker });
      for (const id of await picky.post(6)) await messageWith(app, id, 'failed');
      expect((await stateOf(picky.targetId)).state).toBe('closed');
    });

    it('are paused when they fail for too long', async () => {
      target.answer = (_received, response) => response.writeHead(500).end();
      const dying = await connect(target.url, { breaker: { ...breaker, disableAfterSeconds: 1 }, backoffBaseMs: 1 });
      await dying.post(5);
      const paused = await eventually(
        'the target to be paused',
        async () => {
          const seen = await app.client.get(`/api/v1/targets/${dying.targetId}`);
          return seen.status === 'paused' ? seen : undefined;
        },
        15_000,
      );
      expect(paused.statusReason).toBe('failing');
      target.answer = (_received, response) => response.end();
      const active = await app.client.patch(`/api/v1/targets/${dying.targetId}`, { status: 'active' });
      expect(active.breaker.state).toBe('closed');
      await eventually('what waited', async () => {
        const { items } = await app.client.get(`/api/v1/deliveries?targetId=${dying.targetId}&state=succeeded`);
        return items.length === 5 || undefined;
      });
    });

    it('are opened and closed by hand', async () => {
      const handled = await connect(target.url, {});
      const opened = await app.client.patch(`/api/v1/targets/${handled.targetId}`, { breaker: 'open' });
      expect(opened.breaker).toMatchObject({ state: 'open', probeAt: null, reason: 'by_hand' });
      const [id] = await handled.post(1);
      const message = await messageWith(app, id as string, 'routed');
      await new Promise((resolve) => setTimeout(resolve, 300));
      const { items } = await app.client.get(`/api/v1/deliveries?messageId=${message.id}`);
      expect(items[0]).toMatchObject({ state: 'pending', waitingFor: 'target_breaker', attemptCount: 0 });
      await app.client.patch(`/api/v1/targets/${handled.targetId}`, { breaker: 'closed' });
      await messageWith(app, id as string, 'processed');
    });
  });
});

describeEachDatabase('a worker with few places', (database) => {
  it('goes on without a pause while more waits: the end of a run is what makes it claim again', async () => {
    const target = await startTestTarget();
    const app = await startTestApp(database(), {
      env: { WORKER_CONCURRENCY: '4' },
      // Polls once in five minutes.
      overrides: { pollMs: 300_000 },
    });
    try {
      const made = await app.client.post('/api/v1/targets', { kind: 'http', name: 't', url: target.url });
      const channel = await createWebhookChannel(app.client);
      await app.client.post('/api/v1/communications/routes', { channelId: channel.id, targetId: made.id });
      const ids = Array.from({ length: 80 }, () => `msg_${randomUUID()}`);
      await Promise.all(ids.map((id) => postEvent(channel, { sender: 'ada', text: 'x', id }, id)));
      await eventually('all of them', async () => target.received.length === 80 || undefined, 10_000);
      expect(new Set(target.received.map((one) => one.body.data.message.channelMessageId)).size).toBe(80);
    } finally {
      await app.stop();
      await target.stop();
    }
  });
});
