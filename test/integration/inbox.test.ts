import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { beforeAll, describe, expect, it } from 'vitest';
import { createTenant } from '../../src/access/tenants.ts';
import { openPostgres } from '../../src/db/client.ts';
import { createInbox, type Arrival } from '../../src/inbox/accept.ts';
import { ensureEventPartitions } from '../../src/retention/partitions.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import type { ParsedMessage } from '../../src/provider.ts';
import { describeEachDatabase, openTestDatabase } from '../support/databases.ts';
import { createWebhookChannel, postEvent } from '../support/story.ts';
import { eventually, startTestApp } from '../support/test-app.ts';

const channelId = randomUUID();

function messageOf(id: string, change: Partial<ParsedMessage> = {}): ParsedMessage {
  return {
    channel: 'webhook',
    externalIdentity: 'ada',
    displayName: null,
    recipient: null,
    text: 'hello',
    channelMessageId: id,
    channelThreadId: null,
    attachments: [],
    channelMetadata: {},
    sentAt: null,
    vouched: true,
    dedupeKey: id,
    ...change,
  };
}

function arrivalOf(tenantId: string, messages: ParsedMessage[], change: Partial<Arrival> = {}): Arrival {
  return {
    tenantId,
    channelId,
    provider: 'test',
    receivedAt: new Date(),
    method: 'POST',
    url: 'http://localhost/in/x',
    headers: [['content-type', 'application/json']],
    body: new TextEncoder().encode(JSON.stringify(messages.map((message) => message.channelMessageId))),
    deliveryId: null,
    messages,
    ignored: [],
    unparsedReason: null,
    ...change,
  };
}

describeEachDatabase('the inbox', (database) => {
  let tenantId: string;
  const db = () => database().db;

  beforeAll(async () => {
    tenantId = await createTenant(db(), 'inbox');
    await ensureEventPartitions(db(), new Date());
  });

  const stored = async (ids: readonly string[]) =>
    await db()
      .selectFrom('inbound_messages')
      .select(['channel_message_id', 'text', 'channel_metadata', 'event_id'])
      .where('tenant_id', '=', tenantId)
      .where('channel_message_id', 'in', [...ids])
      .execute();

  it('commits what arrives together together, and says so to each only after it', async () => {
    const flushes: number[] = [];
    let booked = 0;
    const inbox = createInbox(db(), { onBooked: () => (booked += 1), onFlush: (items) => flushes.push(items) });
    const ids = Array.from({ length: 200 }, () => randomUUID());
    const receipts = await Promise.all(
      ids.map(async (id) => {
        const receipt = await inbox.accept(arrivalOf(tenantId, [messageOf(id)]));
        expect(await stored([id])).toHaveLength(1);
        return receipt;
      }),
    );
    expect(receipts.every((receipt) => receipt.outcome === 'accepted' && receipt.messageIds.length === 1)).toBe(true);
    // Two writers start with what is there; the rest shares a few flushes more.
    expect(flushes.length).toBeLessThan(10);
    expect(flushes.reduce((sum, items) => sum + items, 0)).toBe(200);
    expect(booked).toBe(flushes.length);
  });

  it('keeps each body with its own event, however they were grouped', async () => {
    const inbox = createInbox(db(), { onBooked() {} });
    const bodies = Array.from({ length: 40 }, (_unused, index) => new Uint8Array(index * 37).fill(index));
    const receipts = await Promise.all(
      bodies.map((body) => inbox.accept(arrivalOf(tenantId, [messageOf(randomUUID())], { body }))),
    );
    const events = await db()
      .selectFrom('events')
      .select(['id', 'body'])
      .where(
        'id',
        'in',
        receipts.map((receipt) => receipt.eventId),
      )
      .execute();
    const byId = new Map(events.map((event) => [event.id, event.body]));
    receipts.forEach((receipt, index) => {
      expect(Buffer.from(byId.get(receipt.eventId) ?? []).equals(Buffer.from(bodies[index] ?? []))).toBe(true);
    });
  });

  it('counts a message twice in one group once, and several messages of one event each', async () => {
    const inbox = createInbox(db(), { onBooked() {} });
    const [one, two] = [randomUUID(), randomUUID()];
    const receipts = await Promise.all([
      inbox.accept(arrivalOf(tenantId, [messageOf(one), messageOf(two)])),
      inbox.accept(arrivalOf(tenantId, [messageOf(one)])),
      inbox.accept(arrivalOf(tenantId, [messageOf(two)])),
    ]);
    expect(receipts.flatMap((receipt) => receipt.messageIds)).toHaveLength(2);
    expect(receipts.reduce((sum, receipt) => sum + receipt.duplicates, 0)).toBe(2);
    expect(await stored([one, two])).toHaveLength(2);
  });

  it('one row that PostgreSQL refuses never fails its neighbours, and its event is kept', async () => {
    const inbox = createInbox(db(), { onBooked() {} });
    const ids = Array.from({ length: 20 }, () => randomUUID());
    const results = await Promise.all(
      ids.map((id, index) =>
        inbox.accept(
          arrivalOf(tenantId, [
            // A date that is no date for PostgreSQL: class 22, the row's own fault.
            messageOf(id, index === 7 ? { sentAt: { toJSON: () => '+999999-99-99' } as unknown as Date } : {}),
          ]),
        ),
      ),
    );
    expect(results.map((receipt) => receipt.outcome)).toEqual(
      ids.map((_id, index) => (index === 7 ? 'unparsed' : 'accepted')),
    );
    expect(await stored(ids)).toHaveLength(19);
    const event = await db()
      .selectFrom('events')
      .selectAll()
      .where('id', '=', results[7]?.eventId ?? '')
      .executeTakeFirstOrThrow();
    expect(event.reason).toMatch(/^unstorable: /);
    expect(Buffer.from(event.body).toString()).toContain(ids[7]);
  });

  it('keeps messages with NUL and lone surrogates, in text, names, keys and headers', async () => {
    const inbox = createInbox(db(), { onBooked() {} });
    const id = randomUUID();
    const bad = 'a\0b\uD800c';
    const receipt = await inbox.accept(
      arrivalOf(
        tenantId,
        [
          messageOf(id, {
            text: bad,
            displayName: bad,
            channelMetadata: { [bad]: [bad, { deep: bad }] },
            dedupeKey: `${bad}${id}`,
          }),
        ],
        { headers: [['x-odd', bad]], url: `http://localhost/${bad}` },
      ),
    );
    expect(receipt.outcome).toBe('accepted');
    const [row] = await stored([id]);
    const clean = 'a\uFFFDb\uFFFDc';
    expect(row).toMatchObject({ text: clean, channel_metadata: { [clean]: [clean, { deep: clean }] } });
  });

  it('hashes a long idempotency key, and still knows it again', async () => {
    const inbox = createInbox(db(), { onBooked() {} });
    const id = randomUUID();
    const long = messageOf(id, { dedupeKey: `${id}${'x'.repeat(10_000)}` });
    expect((await inbox.accept(arrivalOf(tenantId, [long]))).outcome).toBe('accepted');
    expect((await inbox.accept(arrivalOf(tenantId, [long]))).outcome).toBe('duplicate');
  });

  it('batches whose keys overlap do not deadlock', async () => {
    const inboxes = [createInbox(db(), { onBooked() {} }), createInbox(database().another().db, { onBooked() {} })];
    const ids = Array.from({ length: 300 }, () => randomUUID());
    const shuffled = [ids, ids.toReversed(), ids.toSorted()];
    const receipts = await Promise.all(
      shuffled.flatMap((order, round) =>
        order.map((id) => (inboxes[round % 2] ?? inboxes[0])!.accept(arrivalOf(tenantId, [messageOf(id)]))),
      ),
    );
    expect(receipts.filter((receipt) => receipt.outcome === 'accepted')).toHaveLength(300);
    expect(await stored(ids)).toHaveLength(300);
  });

  it('puts events into the partition of their day', async () => {
    const inbox = createInbox(db(), { onBooked() {} });
    const { eventId } = await inbox.accept(arrivalOf(tenantId, [messageOf(randomUUID())]));
    const { rows } = await sql<{ name: string }>`
      select tableoid::regclass::text as name from events where id = ${eventId}`.execute(db());
    expect(rows[0]?.name).toBe(`events_${new Date().toISOString().slice(0, 10).replaceAll('-', '')}`);
    // Made ahead, and making them again is harmless.
    await ensureEventPartitions(db(), new Date());
    const { rows: partitions } = await sql<{ count: number }>`
      select count(*)::int as count from pg_inherits where inhparent = 'events'::regclass`.execute(db());
    expect(partitions[0]?.count).toBe(9);
  });
});

describe('the database is down', () => {
  it('answers 503 with Retry-After while it stays alive itself', async () => {
    const database = await openTestDatabase('embedded');
    const app = await startTestApp(database, { env: { ROLE: 'ingest' } });
    const channel = await createWebhookChannel(app.client);
    expect((await postEvent(channel, { sender: 'ada' }, 'msg_before')).status).toBe(200);
    await database.close();
    const answer = await postEvent(channel, { sender: 'ada' }, 'msg_during');
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('5');
    expect((await fetch(`${app.url}/readyz`)).status).toBe(503);
    expect((await fetch(`${app.url}/healthz`)).status).toBe(200);
    expect((await app.client.request('GET', '/api/v1/events')).status).toBe(503);
    await app.stop();
  });

  it.runIf(process.env['TEST_DATABASE_URL'])('PostgreSQL: connections that are cut are made anew', async () => {
    const database = await openTestDatabase('postgres');
    const app = await startTestApp(database);
    const channel = await createWebhookChannel(app.client);
    const admin = database.another();
    const { rows: own } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(admin.db);
    const cut = async () =>
      await sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> ${own[0]?.pid ?? 0} and pid <> pg_backend_pid()`.execute(
        admin.db,
      );
    const acknowledged: string[] = [];
    for (let round = 0; round < 5; round += 1) {
      const ids = Array.from({ length: 20 }, () => `msg_${randomUUID()}`);
      const posts = ids.map(async (id) => {
        const { status } = await postEvent(channel, { sender: 'ada' }, id);
        expect([200, 503]).toContain(status);
        if (status === 200) acknowledged.push(id);
      });
      await cut();
      await Promise.all(posts);
    }
    await eventually('the service to come back', async () =>
      (await postEvent(channel, { sender: 'ada' })).status === 200 ? true : undefined,
    );
    const rows = await database.db.selectFrom('inbound_messages').select('channel_message_id').execute();
    const there = rows.map((row) => row.channel_message_id);
    for (const id of acknowledged) expect(there.filter((one) => one === id)).toHaveLength(1);
    await app.stop();
    await database.close();
  });

  it('a server that does not exist is given up within the patience of a provider', async () => {
    const handle = openPostgres('postgres://nobody@127.0.0.1:1/none', silentLogger, { poolSize: 2 });
    const inbox = createInbox(handle.db, { onBooked() {} });
    const started = performance.now();
    await expect(inbox.accept(arrivalOf(randomUUID(), [messageOf('x')]))).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    });
    expect(performance.now() - started).toBeLessThan(3_000);
    await handle.close();
  });
});
