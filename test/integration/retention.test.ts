import { randomUUID } from 'node:crypto';
import { CompiledQuery, Kysely, PostgresDialect, PostgresQueryCompiler, sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { createTenant } from '../../src/access/tenants.ts';
import { parseConfig } from '../../src/config.ts';
import { retentionLock } from '../../src/db/locks.ts';
import type { Database } from '../../src/db/schema.ts';
import { createInbox, type Arrival, type Inbox } from '../../src/inbox/accept.ts';
import { newId } from '../../src/lib/ids.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import type { RetentionDays } from '../../src/retention/chore.ts';
import { eraseIdentity } from '../../src/retention/erase.ts';
import { createRetention, earlierClock, type Retention } from '../../src/retention/loop.ts';
import { dropPartition, ensureEventPartitions, listPartitions } from '../../src/retention/partitions.ts';
import { ageDelivery, ageEvent, ageMessage, idAt } from '../support/aged-rows.ts';
import { describeEachDatabase, openTestDatabase, type TestDatabase } from '../support/databases.ts';

const dayMs = 86_400_000;
const never: RetentionDays = { events: 0, payloads: 0, ledger: 0, deliveries: 0 };
/**
 * How long one arrival may take while retention is at work: its locks give up after 100 ms, and a
 * busy machine adds to it. The embedded database has one session, so there an arrival waits for a
 * whole batch.
 */
const boundMs = { postgres: 1_000, embedded: 4_000 } as const;

const daysFromNow = (days: number): Date => new Date(Date.now() + days * dayMs);
const dayStart = (date: Date): Date => new Date(Math.floor(date.getTime() / dayMs) * dayMs);
const nameOf = (date: Date): string => `events_${date.toISOString().slice(0, 10).replaceAll('-', '')}`;

function retentionOf(db: Kysely<Database>, days: Partial<RetentionDays>, now: () => Date): Retention {
  return createRetention({ db, logger: silentLogger, days: { ...never, ...days }, clock: async () => now() });
}

function arrivalOf(tenantId: string, id = randomUUID()): Arrival {
  return {
    tenantId,
    channelId: tenantId,
    provider: 'test',
    receivedAt: new Date(),
    method: 'POST',
    url: 'http://localhost/in/x',
    headers: [['content-type', 'application/json']],
    body: Buffer.from(`{"id":"${id}"}`),
    deliveryId: null,
    messages: [
      {
        channel: 'webhook',
        externalIdentity: 'ada',
        displayName: 'Ada',
        recipient: null,
        text: 'what was said',
        channelMessageId: id,
        channelThreadId: null,
        attachments: [],
        channelMetadata: { subject: 'private' },
        sentAt: null,
        vouched: true,
        dedupeKey: id,
      },
    ],
    ignored: [],
    unparsedReason: null,
  };
}

/**
 * Arrivals one after the other until told to stop; says how long the slowest took. The first, which
 * opens a connection and prepares its statements, is over when this returns and does not count.
 */
async function startIngest(inbox: Inbox, tenantId: string): Promise<{ stop(): Promise<{ slowestMs: number }> }> {
  await inbox.accept(arrivalOf(tenantId));
  let isOver = false;
  let slowestMs = 0;
  const going = (async () => {
    while (!isOver) {
      const started = performance.now();
      await inbox.accept(arrivalOf(tenantId));
      slowestMs = Math.max(slowestMs, performance.now() - started);
    }
  })();
  return {
    async stop() {
      isOver = true;
      await going;
      return { slowestMs };
    },
  };
}

/**
 * A transaction that stays open until its end is called, or the test is over; PostgreSQL only, the
 * embedded one has one session.
 */
async function holdOpen(db: Kysely<Database>, statement: string): Promise<() => Promise<void>> {
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  let done: Promise<void> | undefined;
  await new Promise<void>((resolve, reject) => {
    done = db.transaction().execute(async (trx) => {
      await sql.raw(statement).execute(trx);
      resolve();
      await ended;
    });
    done.catch(reject);
  });
  const endNow = async (): Promise<void> => {
    end();
    await done;
  };
  onTestFinished(endNow);
  return endNow;
}

function eventInsert(table: string, tenantId: string, id: string): string {
  return `insert into ${table} (tenant_id, id, channel_id, provider, received_at, method, url, headers, body, outcome, ignored)
    values ('${tenantId}', '${id}', '${tenantId}', 'p', now(), 'POST', 'u', '[]', '', 'accepted', '[]')`;
}

describeEachDatabase('event partitions', (database) => {
  let tenantId: string;
  const db = () => database().db;
  const isPostgres = () => database().kind === 'postgres';
  const names = async () => (await listPartitions(db())).map(({ name }) => name);

  beforeAll(async () => {
    tenantId = await createTenant(db(), 'partitions');
    await ensureEventPartitions(db(), new Date());
  });

  it('are made a week ahead, the same as their parent, while events come in', async () => {
    const inbox = createInbox(db(), { onBooked() {} });
    await inbox.accept(arrivalOf(tenantId));
    const ingest = await startIngest(inbox, tenantId);
    expect(await ensureEventPartitions(db(), daysFromNow(10))).toBe(8);
    expect(await ensureEventPartitions(db(), daysFromNow(10))).toBe(0);
    const { slowestMs } = await ingest.stop();
    expect(slowestMs).toBeLessThan(boundMs[database().kind]);
    for (let ahead = 10; ahead <= 17; ahead += 1) expect(await names()).toContain(nameOf(daysFromNow(ahead)));

    const name = nameOf(daysFromNow(10));
    const { rows } = await sql<{ name: string }>`
      select conname as name from pg_constraint where conrelid = ${name}::regclass and contype in ('p', 'c') order by 1
    `.execute(db());
    const { rows: parents } = await sql<{ name: string }>`
      select conname as name from pg_constraint where conrelid = 'events'::regclass and contype in ('p', 'c')`.execute(
      db(),
    );
    expect(rows).toHaveLength(parents.length);
    expect(rows.map((row) => row.name)).not.toContain(`${name}_range`);
    const id = await ageEvent(db(), { tenantId, at: daysFromNow(10) });
    const { rows: found } = await sql<{ name: string }>`
      select tableoid::regclass::text as name from events where id = ${id}`.execute(db());
    expect(found[0]?.name).toBe(name);
  });

  it('are made by two processes at once', async () => {
    const made = await Promise.all([
      ensureEventPartitions(db(), daysFromNow(30)),
      ensureEventPartitions(database().another().db, daysFromNow(30)),
    ]);
    expect(made[0] + made[1]).toBe(8);
  });

  it('PostgreSQL: an open transaction that wrote events keeps nobody waiting', async ({ skip }) => {
    if (!isPostgres()) skip();
    const other = database().another();
    const inbox = createInbox(database().another().db, { onBooked() {} });

    const endWriting = await holdOpen(other.db, eventInsert('events', tenantId, newId()));
    expect(await ensureEventPartitions(db(), daysFromNow(50))).toBe(8);
    await endWriting();

    const endDefault = await holdOpen(other.db, eventInsert('events', tenantId, idAt(daysFromNow(500))));
    const ingest = await startIngest(inbox, tenantId);
    const started = performance.now();
    expect(await ensureEventPartitions(db(), daysFromNow(70))).toBe(0);
    expect(performance.now() - started).toBeLessThan(3_000);
    const { slowestMs } = await ingest.stop();
    expect(slowestMs).toBeLessThan(boundMs[database().kind]);
    await endDefault();
    expect(await ensureEventPartitions(db(), daysFromNow(70))).toBe(8);
  });

  it('a day whose events are in the default stays there, and the others are made', async () => {
    const day = dayStart(daysFromNow(102));
    const id = await ageEvent(db(), { tenantId, at: new Date(day.getTime() + 5_000) });
    expect(await ensureEventPartitions(db(), daysFromNow(100))).toBe(7);
    expect(await names()).not.toContain(nameOf(day));
    expect(await db().selectFrom('events').select('id').where('id', '=', id).execute()).toHaveLength(1);
  });

  it('beside a large default, a constraint spares reading it, and is gone afterwards', async () => {
    await ageEvent(db(), { tenantId, at: daysFromNow(199) });
    const constraints = async () =>
      (
        await sql<{ name: string }>`select conname as name from pg_constraint
          where conrelid = 'events_default'::regclass and conname like '%without%'`.execute(db())
      ).rows;
    // What a crash may have left.
    await sql`alter table events_default add constraint events_default_without_next_days check (true)`.execute(db());
    // Today and tomorrow are not: an event of theirs would be refused meanwhile.
    expect(await ensureEventPartitions(db(), daysFromNow(200), 0)).toBe(6);
    expect(await constraints()).toEqual([]);
    expect(await names()).not.toContain(nameOf(daysFromNow(201)));
    expect(await names()).toContain(nameOf(daysFromNow(202)));
  });

  it('PostgreSQL: says itself that it does not read a large default', async ({ skip }) => {
    if (!isPostgres()) skip();
    const notices: string[] = [];
    const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(db());
    const url = new URL(process.env['TEST_DATABASE_URL'] as string);
    url.pathname = `/${rows[0]?.name}`;
    const pool = new pg.Pool({ connectionString: url.href, options: '-c client_min_messages=debug1', max: 1 });
    pool.on('connect', (client) => client.on('notice', (notice) => notices.push(notice.message ?? '')));
    const loud = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
    expect(await ensureEventPartitions(loud, daysFromNow(300), 0)).toBe(6);
    const implied = notices.filter((text) => /default partition "events_default" is implied/.test(text));
    expect(implied).toHaveLength(6);
    await loud.destroy();
  });

  it('old ones are dropped, younger ones stay, and the default loses its old events', async () => {
    await ensureEventPartitions(db(), daysFromNow(-60));
    const old = await ageEvent(db(), { tenantId, at: daysFromNow(-60) });
    const stray = await ageEvent(db(), { tenantId, at: daysFromNow(-40) });
    const young = await ageEvent(db(), { tenantId, at: daysFromNow(-20) });
    const retention = retentionOf(db(), { events: 30 }, () => new Date());
    await retention.runRound();
    const left = await db().selectFrom('events').select('id').where('id', 'in', [old, stray, young]).execute();
    expect(left).toEqual([{ id: young }]);
    expect((await names()).filter((name) => name < nameOf(daysFromNow(-31)))).toEqual([]);
    expect(retention.retentionStatus()).toMatchObject({ lagSeconds: 0, error: null });
  });

  it('PostgreSQL: an old one is emptied at once, and taken out when nobody is in the way', async ({ skip }) => {
    if (!isPostgres()) skip();
    await ensureEventPartitions(db(), daysFromNow(-90));
    const day = (await listPartitions(db()))[0]!;
    await ageEvent(db(), { tenantId, at: new Date(day.from.getTime() + 1) });
    const endWriting = await holdOpen(database().another().db, eventInsert('events', tenantId, newId()));
    const ingest = await startIngest(createInbox(database().another().db, { onBooked() {} }), tenantId);
    const retention = retentionOf(db(), { events: 30 }, () => new Date());
    const started = performance.now();
    await retention.runRound();
    expect(performance.now() - started).toBeLessThan(2_000);
    const { slowestMs } = await ingest.stop();
    expect(slowestMs).toBeLessThan(boundMs[database().kind]);
    const { rows } = await sql<{
      bytes: string;
    }>`select pg_relation_size(${day.name}::regclass)::text as bytes`.execute(db());
    expect(rows).toEqual([{ bytes: '0' }]);
    expect(retention.retentionStatus().lagSeconds).toBeGreaterThan(50 * 86_400);
    expect(await names()).toContain(day.name);
    await endWriting();
    await retention.runRound();
    expect((await names()).filter((name) => name < nameOf(daysFromNow(-31)))).toEqual([]);
    expect(retention.retentionStatus().lagSeconds).toBe(0);
  });

  it('one that is dropped twice says so', async () => {
    await ensureEventPartitions(db(), daysFromNow(-400));
    const day = (await listPartitions(db()))[0]!;
    expect(await dropPartition(db(), day)).toBe(true);
    await expect(dropPartition(db(), day)).rejects.toThrow(/does not exist/);
  });
});

describeEachDatabase('retention', (database) => {
  let tenantId: string;
  const db = () => database().db;
  const run = async (days: Partial<RetentionDays>, now = new Date()): Promise<Retention> => {
    const retention = retentionOf(db(), days, () => now);
    await retention.runRound();
    expect(retention.retentionStatus().error).toBe(null);
    return retention;
  };
  const messages = async (ids: readonly string[]) =>
    await db().selectFrom('inbound_messages').selectAll().where('id', 'in', ids).orderBy('id').execute();
  const deliveries = async (ids: readonly string[]) =>
    (await db().selectFrom('deliveries').select('id').where('id', 'in', ids).orderBy('id').execute()).map(
      (row) => row.id,
    );

  beforeAll(async () => {
    await ensureEventPartitions(db(), new Date());
  });
  // A tenant for each: where one's walk has come to, the next would not go back behind.
  beforeEach(async () => {
    tenantId = await createTenant(db(), 'retention');
  });

  it('blanks what a message says, and knows a repeated one all the same', async () => {
    const inbox = createInbox(db(), { onBooked() {} });
    const arrival = arrivalOf(tenantId);
    const { messageIds } = await inbox.accept(arrival);
    await db().updateTable('inbound_messages').set({ status: 'unrouted' }).where('id', 'in', messageIds).execute();
    await run({ payloads: 90, ledger: 180 }, daysFromNow(89));
    expect((await messages(messageIds))[0]).toMatchObject({ text: 'what was said', blanked_at: null });

    const now = daysFromNow(91);
    await run({ payloads: 90, ledger: 180 }, now);
    const [row] = await messages(messageIds);
    expect(row).toMatchObject({
      text: null,
      display_name: null,
      attachments: [],
      channel_metadata: {},
      blanked_at: now,
      external_identity: 'ada',
      channel_message_id: arrival.messages[0]?.channelMessageId,
    });
    expect((await inbox.accept(arrival)).outcome).toBe('duplicate');

    await run({ payloads: 90, ledger: 180 }, daysFromNow(181));
    expect(await messages(messageIds)).toEqual([]);
    expect((await inbox.accept(arrival)).outcome).toBe('accepted');
  });

  it('blanks of decision and error what is personal, and keeps why it went where it went', async () => {
    const id = await ageMessage(db(), { tenantId, at: daysFromNow(-100), status: 'failed' });
    await run({ payloads: 90, ledger: 180 });
    const [row] = await messages([id]);
    expect(row).toMatchObject({
      external_identity: '+15550100200',
      idempotency_key: id,
      error: { code: 'target_failed' },
    });
    expect(row?.decision).toEqual({
      status: 'routed',
      reason: 'route_matched',
      considered: [
        { routeId: 'r1', verdict: 'lost', reason: 'match_failed' },
        { routeId: 'r2', verdict: 'won', reason: 'matched' },
      ],
    });
    expect(JSON.stringify(row)).not.toContain('what was said');
  });

  it('leaves alone what has not ended, and comes back a week after its end', async () => {
    const at = daysFromNow(-200);
    const waiting = await ageMessage(db(), { tenantId, at, status: 'received' });
    const held = await ageMessage(db(), { tenantId, at, status: 'routed' });
    const heldDelivery = await ageDelivery(db(), { tenantId, at, messageId: held, state: 'pending', held: true });
    const holding = await ageMessage(db(), { tenantId, at, status: 'failed' });
    const holder = await ageDelivery(db(), { tenantId, at, messageId: holding, state: 'dead', holds_key: true });
    const days = { payloads: 90, ledger: 180, deliveries: 90 };
    await run(days);
    for (const row of await messages([waiting, held, holding])) expect(row).toMatchObject({ text: 'what was said' });
    expect(await messages([waiting, held, holding])).toHaveLength(3);
    expect(await deliveries([heldDelivery, holder])).toHaveLength(2);

    await db()
      .updateTable('deliveries')
      .set({ state: 'succeeded', held: false, holds_key: false, finished_at: new Date() })
      .where('id', 'in', [heldDelivery, holder])
      .execute();
    await db()
      .updateTable('inbound_messages')
      .set({ status: 'processed', updated_at: new Date() })
      .where('id', 'in', [held, holding])
      .execute();
    await run(days, daysFromNow(6));
    expect(await messages([held, holding])).toHaveLength(2);
    expect(await deliveries([heldDelivery, holder])).toHaveLength(2);
    await run(days, daysFromNow(8));
    expect(await messages([waiting, held, holding])).toMatchObject([{ id: waiting }]);
    expect(await deliveries([heldDelivery, holder])).toEqual([]);
  });

  it('blanks an overdue message that is too young to be deleted', async () => {
    const at = daysFromNow(-100);
    const id = await ageMessage(db(), { tenantId, at, status: 'routed' });
    const deliveryId = await ageDelivery(db(), { tenantId, at, messageId: id, state: 'pending', held: true });
    await run({ payloads: 90, ledger: 180 });
    await db().updateTable('deliveries').set({ state: 'cancelled' }).where('id', '=', deliveryId).execute();
    await run({ payloads: 90, ledger: 180 });
    expect(await messages([id])).toMatchObject([{ text: null, overdue: false }]);
  });

  it('deletes deliveries that have ended with their attempts, and what goes with their time', async () => {
    const own = await createTenant(db(), 'deliveries');
    const old = { tenantId: own, at: daysFromNow(-100) };
    const ended = [await ageDelivery(db(), old), await ageDelivery(db(), { ...old, state: 'dead' })];
    const young = await ageDelivery(db(), { tenantId: own, at: daysFromNow(-80) });
    const open = await ageDelivery(db(), { ...old, state: 'awaiting' });
    const channelId = newId();
    await db()
      .insertInto('channels')
      .values({ tenant_id: own, id: channelId, kind: 'webhook', provider: 'p', name: 'n', secrets: '', settings: '{}' })
      .execute();
    await db()
      .insertInto('rejections')
      .values(
        [-40, -20].map((days) => ({
          tenant_id: own,
          channel_id: channelId,
          minute: daysFromNow(days),
          reason: 'bad_signature',
          count: 1,
          sample: '{}',
        })),
      )
      .execute();
    const jobs = [-100, -80].map((days) => ({
      tenant_id: own,
      id: idAt(daysFromNow(days)),
      kind: 'replay',
      filter: '{}',
      options: '{}',
      total: 1,
      state: 'succeeded' as const,
      finished_at: daysFromNow(days),
      position: null,
      error: null,
      lease_owner: null,
    }));
    await db()
      .insertInto('jobs')
      .values([...jobs, { ...jobs[0]!, id: idAt(daysFromNow(-100)), state: 'running' }])
      .execute();
    await run({ events: 30, deliveries: 90 });
    expect(await deliveries([...ended, young, open])).toEqual([young, open].toSorted());
    const attempts = await db().selectFrom('attempts').select('delivery_id').where('tenant_id', '=', own).execute();
    expect(attempts.map((row) => row.delivery_id).toSorted()).toEqual([young, open].toSorted());
    const rejections = await db().selectFrom('rejections').select('minute').where('tenant_id', '=', own).execute();
    expect(rejections).toHaveLength(1);
    const left = await db().selectFrom('jobs').select(['id', 'state']).where('tenant_id', '=', own).execute();
    expect(left.map((row) => row.state).toSorted()).toEqual(['running', 'succeeded']);
    expect(left.map((row) => row.id)).toContain(jobs[1]?.id);
  });

  it('deletes a message with what is left of its deliveries', async () => {
    const at = daysFromNow(-190);
    const id = await ageMessage(db(), { tenantId, at });
    const deliveryId = await ageDelivery(db(), { tenantId, at, messageId: id });
    await run({ payloads: 90, ledger: 180 });
    expect(await messages([id])).toEqual([]);
    expect(await deliveries([deliveryId])).toEqual([]);
  });

  it('0 days are for ever', async () => {
    const own = await createTenant(db(), 'for ever');
    const at = daysFromNow(-10_000);
    const kept = await ageMessage(db(), { tenantId: own, at });
    const delivery = await ageDelivery(db(), { tenantId: own, at });
    const event = await ageEvent(db(), { tenantId: own, at });
    await run(never, daysFromNow(10_000));
    expect(await messages([kept])).toMatchObject([{ text: 'what was said' }]);
    expect(await deliveries([delivery])).toEqual([delivery]);
    expect(await db().selectFrom('events').select('id').where('id', '=', event).execute()).toHaveLength(1);
  });

  it('sees to many rows of many tenants in one round, in batches', async () => {
    const tenants = await Promise.all(Array.from({ length: 5 }, (_none, index) => createTenant(db(), `many ${index}`)));
    await seedMany(db(), tenants, 350, daysFromNow(-100));
    await run({ payloads: 90, deliveries: 90 });
    const { rows } = await sql<{ unblanked: number; deliveries: number; attempts: number }>`
      select (select count(*) from inbound_messages where tenant_id = any(${tenants}::uuid[]) and blanked_at is null)::int
        as unblanked,
        (select count(*) from deliveries where tenant_id = any(${tenants}::uuid[]))::int as deliveries,
        (select count(*) from attempts where tenant_id = any(${tenants}::uuid[]))::int as attempts`.execute(db());
    expect(rows).toEqual([{ unblanked: 0, deliveries: 0, attempts: 0 }]);
  });

  it('PostgreSQL: one process at a time, and the others see that they lag', async ({ skip }) => {
    if (database().kind !== 'postgres') skip();
    const id = await ageMessage(db(), { tenantId: await createTenant(db(), 'locked'), at: daysFromNow(-100) });
    const end = await holdOpen(database().another().db, `select pg_advisory_xact_lock(${retentionLock})`);
    await run({ payloads: 90, ledger: 180 });
    expect((await messages([id]))[0]?.blanked_at).toBe(null);
    await end();
    await run({ payloads: 90, ledger: 180 });
    expect((await messages([id]))[0]?.blanked_at).not.toBe(null);
  });

  it('PostgreSQL: gives up on rows that somebody has locked, says how late it is, and does them next time', async ({
    skip,
  }) => {
    if (database().kind !== 'postgres') skip();
    const id = await ageMessage(db(), { tenantId: await createTenant(db(), 'row lock'), at: daysFromNow(-100) });
    const end = await holdOpen(database().another().db, `select from inbound_messages where id = '${id}' for update`);
    const retention = retentionOf(db(), { payloads: 90 }, () => new Date());
    const started = performance.now();
    await retention.runRound();
    expect(performance.now() - started).toBeLessThan(2_000);
    await end();
    await retention.runRound();
    expect((await messages([id]))[0]?.blanked_at).not.toBe(null);
    expect(retention.retentionStatus()).toMatchObject({ lagSeconds: 0, error: null });
  });

  it('says what failed', async () => {
    const broken = new Kysely<Database>({
      dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: 'postgres://nobody@127.0.0.1:1/none' }) }),
    });
    const retention = retentionOf(broken, { payloads: 90 }, () => new Date());
    await retention.runRound();
    expect(retention.retentionStatus().error).toContain('payloads: ');
    expect(retention.retentionStatus().error).toContain('ECONNREFUSED');
    await broken.destroy();
  });

  it('believes the earlier of two clocks', async () => {
    const ahead = daysFromNow(400);
    expect(Math.abs((await earlierClock(db(), ahead)).getTime() - Date.now())).toBeLessThan(60_000);
    const behind = daysFromNow(-1);
    expect(await earlierClock(db(), behind)).toEqual(behind);
  });
});

/** Messages, deliveries and attempts, made by the database itself. */
async function seedMany(db: Kysely<Database>, tenants: readonly string[], each: number, at: Date): Promise<void> {
  const start = at.getTime();
  const id = sql`(lpad(to_hex(${start}::bigint + n), 12, '0') || '7000' || '8' || right(md5(t::text || n), 15))::uuid`;
  const source = sql`unnest(${[...tenants]}::uuid[]) as t, generate_series(1, ${each}::int) as n`;
  await sql`insert into inbound_messages (tenant_id, id, event_id, channel_id, channel, idempotency_key, external_identity,
      text, attachments, channel_metadata, vouched, status, created_at, updated_at)
    select t, ${id}, ${id}, t, 'sms', ${start}::text || ':' || n, '+15550100200', repeat('what was said ', 20), '[]', '{}', true,
      'processed', ${at}::timestamptz, ${at}::timestamptz from ${source}`.execute(db);
  await sql`insert into deliveries (tenant_id, id, message_id, handler_kind, state, result, finished_at)
    select t, ${id}, ${id}, 'process', 'succeeded', jsonb_build_object('body', repeat('what was said ', 50)),
      ${at}::timestamptz from ${source}`.execute(db);
  await sql`insert into attempts (tenant_id, delivery_id, fence, number, worker, outcome, response, started_at, duration_ms)
    select t, ${id}, 1, 1, 'w', 'succeeded', repeat('what was said ', 50), ${at}::timestamptz, 1 from ${source}`.execute(
    db,
  );
  await sql`insert into events (tenant_id, id, channel_id, provider, received_at, method, url, headers, body, outcome, ignored)
    select t, ${id}, t, 'p', ${at}::timestamptz, 'POST', 'u', '[]', repeat('x', 1000)::bytea,
      'accepted', '[]' from ${source}`.execute(db);
}

describeEachDatabase('the plans of retention', (database) => {
  let opened: TestDatabase;
  beforeAll(async () => {
    opened = await openTestDatabase(database().kind);
  });
  afterAll(async () => {
    await opened.close();
  });

  it('read no table that grows from end to end', async () => {
    const { db } = opened;
    const tenants = await Promise.all([createTenant(db, 'one'), createTenant(db, 'two')]);
    await ensureEventPartitions(db, new Date());
    await seedMany(db, tenants, 1_000, daysFromNow(-200));
    await seedMany(db, tenants, 1_000, daysFromNow(-100));
    await seedMany(db, tenants, 15_000, daysFromNow(-1));
    await sql`analyze`.execute(db);

    const seen = new Map<string, CompiledQuery>();
    const recording = db.withPlugin({
      transformQuery({ node, queryId }) {
        const query = new PostgresQueryCompiler().compileQuery(node, queryId);
        if (/^\s*(?:select|insert|update|delete|with)\b/.test(query.sql)) seen.set(query.sql, query);
        return node;
      },
      transformResult: async ({ result }) => result,
    });
    const days = { events: 30, payloads: 90, ledger: 180, deliveries: 90 };
    await retentionOf(recording, days, () => new Date()).runRound();
    const read = async () => [];
    const erasure = { tenantId: tenants[0], channel: 'sms' as const, externalIdentity: '+15550100200' };
    expect((await eraseIdentity(recording, erasure, read, new Date())).messages).toBe(16_000);

    const asked = [...seen.values()].filter(({ sql: text }) =>
      /events_default|inbound_messages|deliveries|attempts/.test(text),
    );
    expect(asked.length).toBeGreaterThan(20);
    for (const query of asked) {
      const { rows } = await db.executeQuery<Record<string, string>>(
        CompiledQuery.raw(`explain ${query.sql}`, [...query.parameters]),
      );
      const plan = rows.map((row) => Object.values(row)[0]).join('\n');
      const scans = plan.match(/Seq Scan on (?:events|inbound_messages|deliveries|attempts)\S*/g) ?? [];
      expect(scans, query.sql).toEqual([]);
    }
  }, 60_000);
});

describe('the configuration of retention', () => {
  it('has defaults', () => {
    expect(parseConfig({})).toMatchObject({
      retentionEventsDays: 30,
      retentionPayloadsDays: 90,
      retentionLedgerDays: 180,
      retentionDeliveriesDays: 90,
    });
  });

  it.each([
    { RETENTION_LEDGER_DAYS: '89' },
    { RETENTION_PAYLOADS_DAYS: '181' },
    { RETENTION_PAYLOADS_DAYS: '0' },
    { RETENTION_EVENTS_DAYS: '-1' },
    { RETENTION_DELIVERIES_DAYS: '1.5' },
  ])('refuses %o', (env) => {
    expect(() => parseConfig(env)).toThrow(Object.keys(env)[0] === 'RETENTION_PAYLOADS_DAYS' ? /LEDGER/ : /RETENTION/);
  });

  it.each([
    { RETENTION_LEDGER_DAYS: '0' },
    { RETENTION_PAYLOADS_DAYS: '0', RETENTION_LEDGER_DAYS: '0' },
    { RETENTION_PAYLOADS_DAYS: '180' },
    { RETENTION_EVENTS_DAYS: '0', RETENTION_DELIVERIES_DAYS: '0' },
  ])('takes %o', (env) => {
    expect(() => parseConfig(env)).not.toThrow();
  });
});
