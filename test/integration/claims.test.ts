import { randomUUID } from 'node:crypto';
import { sql, type Kysely } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Database } from '../../src/db/schema.ts';
import { countDeliveries } from '../../src/outbox/backlog.ts';
import { claimDeliveries, type Claim, type Claimed } from '../../src/outbox/claim.ts';
import { forgetClaims, reapExpiredLeases, renewLeases, sweepExpiredLeases } from '../../src/outbox/leases.ts';
import { noTarget } from '../../src/outbox/to-run.ts';
import { completeDeliveries, nothingMore } from '../../src/outbox/complete.ts';
import { describeEachDatabase } from '../support/databases.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

/** What a claim leaves behind, so that what it took is found again, and what it costs. */
describeEachDatabase('the notes of claims', (database, kind) => {
  let app: TestApp;
  const db = () => database().db;

  beforeAll(async () => {
    app = await startTestApp(database(), { env: { ROLE: 'ingest' } });
  });
  afterAll(async () => {
    await app.stop();
  });
  beforeEach(async () => {
    for (const table of ['attempts', 'deliveries', 'claims'] as const) await db().deleteFrom(table).execute();
  });

  async function book(count: number): Promise<void> {
    await sql`insert into deliveries (tenant_id, id, message_id, handler_kind)
      select ${app.tenantId}::uuid, gen_random_uuid(), ${randomUUID()}::uuid, 'process'
      from generate_series(1, ${count})`.execute(db());
  }

  async function claim(on: Kysely<Database>, free: number, leaseSeconds = 30, done: string[] = []): Promise<Claimed> {
    const place = { workers: 1, rank: 0, load: [], position: { tenant: null, targets: {} } };
    return await claimDeliveries(on, { worker: 'w', free, leaseSeconds, done, ...place });
  }

  async function notes(): Promise<{ id: string; ids: string[]; isDue: boolean }[]> {
    const { rows } = await sql<{ id: string; ids: string[]; isDue: boolean }>`
      select id::text, delivery_ids as ids, look_at < now() as "isDue" from claims order by id`.execute(db());
    return rows;
  }

  const succeed = (claims: readonly Claim[]) =>
    completeDeliveries(
      db(),
      claims.map((one) => ({
        claim: one,
        worker: 'w',
        from: 'running',
        outcome: 'succeeded',
        ...nothingMore,
        result: {},
        startedAt: new Date(),
        durationMs: 1,
      })),
    );

  const later = () => new Promise((resolve) => setTimeout(resolve, 20));

  it.runIf(kind === 'postgres')('a claim changes no index', async () => {
    await book(50);
    const updates = await db()
      .transaction()
      .execute(async (trx) => {
        await claim(trx, 50);
        const { rows } = await sql<{ all: number; hot: number }>`
          select pg_stat_get_xact_tuples_updated('deliveries'::regclass)::int as all,
            pg_stat_get_xact_tuples_hot_updated('deliveries'::regclass)::int as hot`.execute(trx);
        return rows[0];
      });
    expect(updates).toEqual({ all: 50, hot: 50 });
  });

  it('one note per claim, until the worker says that all of it has ended', async () => {
    await book(5);
    const first = await claim(db(), 2);
    const second = await claim(db(), 3);
    expect((await notes()).map((one) => [one.id, one.ids.toSorted()])).toEqual(
      [first, second].map(({ claimId, claims }) => [claimId, claims.map((one) => one.id).toSorted()]),
    );
    expect((await countDeliveries(db())).running).toBe(5);
    await succeed(first.claims);
    expect((await countDeliveries(db())).running).toBe(3);
    expect(await claim(db(), 1, 30, [first.claimId as string])).toMatchObject({ claims: [], claimId: null });
    expect(await notes()).toMatchObject([{ id: second.claimId }]);
    await forgetClaims(db(), [second.claimId as string]);
    expect(await notes()).toEqual([]);
  });

  it('of what was lost some is taken back; the note stays while any of it runs', async () => {
    await book(3);
    const { claims } = await claim(db(), 3, 0);
    const [ended, kept, lost] = claims as [Claim, Claim, Claim];
    await succeed([ended]);
    await renewLeases(db(), 'w', [kept], 30);
    await later();
    expect(await notes()).toMatchObject([{ isDue: true }]);
    expect(await reapExpiredLeases(db())).toBe(1);
    const again = await claim(db(), 3);
    expect(again.claims).toMatchObject([{ id: lost.id, attempts: 2 }]);
    // Looked at again when the renewed lease ends, and not before.
    expect(await notes()).toMatchObject([{ isDue: false }, { ids: [lost.id] }]);
    expect(await reapExpiredLeases(db())).toBe(0);

    // It runs again, under another claim: the first one's note is kept for it too, and goes with it.
    await succeed([kept]);
    await succeed(again.claims);
    await db()
      .updateTable('claims')
      .set({ look_at: new Date(0) })
      .execute();
    expect(await reapExpiredLeases(db())).toBe(0);
    expect(await notes()).toEqual([]);
  });

  it('finds what was lost by as many claims as there may be', async () => {
    await book(450);
    for (let n = 0; n < 450; n += 1) await claim(db(), 1, 0);
    await later();
    let found = 0;
    for (let beat = 0; beat < 3; beat += 1) found += await reapExpiredLeases(db());
    expect(found).toBe(450);
    expect(await notes()).toEqual([]);
  });

  it('goes on in the lanes of the claim before, from the first that waited, and nowhere else', async () => {
    const [first, second] = [randomUUID(), randomUUID()];
    const add = (target: string | null, seconds: number) =>
      sql`
      insert into deliveries (tenant_id, id, message_id, target_id, handler_kind, run_at)
      values (${app.tenantId}, ${randomUUID()}, ${randomUUID()}, ${target}, 'process',
        now() + ${seconds}::int * interval '1 second')`.execute(db());
    const at = async (lanes: Claimed['lanes'] | undefined, free: number): Promise<Claimed> =>
      await claimDeliveries(db(), {
        worker: 'w',
        free,
        leaseSeconds: 30,
        workers: 1,
        rank: 0,
        load: [],
        lanes,
        position: { tenant: null, targets: {} },
      });
    for (const seconds of [-9, -8, -7]) await add(first, seconds);
    await add(null, -5);
    await add(second, 60);
    const all = await at(undefined, 2);
    expect(all).toMatchObject({ isRound: true, isWhole: true });
    expect(new Set(all.lanes.map(([, lane]) => lane))).toEqual(new Set([noTarget, first, second]));
    expect(new Set(all.claims.map((one) => one.target_id))).toEqual(new Set([first, null]));

    // One that is earlier than where it looks, and one in a lane that had nothing, are left for later.
    await add(first, -20);
    await add(randomUUID(), -5);
    const known = await at(all.lanes, 10);
    expect(known.claims.map((one) => one.target_id)).toEqual([first, first]);
    expect(known.lanes.map(([, lane]) => lane).toSorted()).toEqual([first, second].toSorted());
    expect(await at(known.lanes, 10)).toMatchObject({
      claims: [],
      claimId: null,
      lanes: [[app.tenantId, second, expect.any(String)]],
    });
    expect((await at(undefined, 10)).claims).toHaveLength(2);
  });

  it('what an earlier version left without a note is swept up, but not what still runs', async () => {
    await book(3);
    await claim(db(), 1, 0);
    await claim(db(), 1, 30);
    await db().deleteFrom('claims').execute();
    await later();
    expect(await reapExpiredLeases(db())).toBe(0);
    expect(await sweepExpiredLeases(db())).toBe(1);
    expect(await sweepExpiredLeases(db())).toBe(0);
    // Whoever starts alone knows that nothing runs.
    expect(await sweepExpiredLeases(db(), true)).toBe(1);
    const attempts = await db().selectFrom('attempts').select('outcome').execute();
    expect(attempts).toEqual([{ outcome: 'lease_expired' }, { outcome: 'lease_expired' }]);
  });
});
