import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newId } from '../../src/lib/ids.ts';
import { routeBatch } from '../../src/routing/router.ts';
import { describeEachDatabase } from '../support/databases.ts';
import { createWebhookChannel, messageWith, postEvent, type TestChannel } from '../support/story.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

describeEachDatabase('routing', (database) => {
  let app: TestApp;
  let channel: TestChannel;
  const route = (given: object) => app.client.post('/api/v1/communications/routes', given);

  beforeAll(async () => {
    app = await startTestApp(database());
    channel = await createWebhookChannel(app.client);
  });
  afterAll(async () => {
    await app.stop();
  });

  async function decide(event: object, on = channel): Promise<any> {
    const id = `msg_${randomUUID()}`;
    await postEvent(on, event, id);
    const message = await messageWith(app, id, 'processed', 'unrouted', 'rejected', 'failed');
    return await app.client.get(`/api/v1/inbound/messages/${message.id}/trace`);
  }

  it('prefers endpoint to channel to tenant, then priority, then age, and says why', async () => {
    const on = await createWebhookChannel(app.client);
    const desk = await app.client.post(`/api/v1/channels/${on.id}/endpoints`, { address: 'desk' });
    const tenant = await route({ scope: 'tenant', priority: 100 });
    const wide = await route({ channelId: on.id, priority: 50 });
    const older = await route({ endpointId: desk.id });
    const younger = await route({ endpointId: desk.id });
    const important = await route({ endpointId: desk.id, priority: 1, config: { match: 'text == "urgent"' } });

    const verdicts = (trace: any) =>
      trace.decision.considered.map((one: any) => [one.routeId, one.verdict, one.reason]);
    const toDesk = await decide({ sender: 'ada', recipient: 'desk', text: 'calm' }, on);
    expect(toDesk.message.routeId).toBe(older.id);
    expect(verdicts(toDesk)).toEqual([
      [important.id, 'lost', 'match_false'],
      [older.id, 'won', 'matched'],
      [younger.id, 'lost', 'outranked'],
      [wide.id, 'lost', 'outranked'],
      [tenant.id, 'lost', 'outranked'],
    ]);
    expect((await decide({ sender: 'ada', recipient: 'desk', text: 'urgent' }, on)).message.routeId).toBe(important.id);
    expect((await decide({ sender: 'ada', recipient: 'elsewhere' }, on)).message.routeId).toBe(wide.id);
    expect((await decide({ sender: 'ada' }, on)).message.routeId).toBe(wide.id);
    expect((await decide({ sender: 'ada' })).message.routeId).toBe(tenant.id);
    await app.client.patch(`/api/v1/communications/routes/${older.id}`, { status: 'paused' });
    expect((await decide({ sender: 'ada', recipient: 'desk' }, on)).message.routeId).toBe(younger.id);
    for (const one of [tenant, wide, older, younger, important]) {
      await app.client.request('DELETE', `/api/v1/communications/routes/${one.id}`);
    }
  });

  it('grades trust by link and vouching, and refuses by policy without falling through', async () => {
    const on = await createWebhookChannel(app.client, { vouched: true });
    const unvouched = await createWebhookChannel(app.client, { vouched: false });
    const strict = { allowedSenderPolicy: { minimumTrust: 'verified', deny: ['eve'] } };
    await route({ channelId: on.id, ...strict });
    await route({ channelId: unvouched.id, ...strict });
    const catchAll = await route({ scope: 'tenant' });
    for (const [externalIdentity, verified] of [
      ['grace', true],
      ['linus', false],
      ['eve', true],
    ] as const) {
      await app.client.post('/api/v1/inbound/identity-links', {
        channel: 'webhook',
        externalIdentity,
        userId: externalIdentity,
        verified,
      });
    }
    const seen = async (sender: string, where = on) => {
      const { message, decision } = await decide({ sender }, where);
      return [message.trustLevel, message.status, decision.reason];
    };
    expect(await seen('grace')).toEqual(['verified', 'processed', 'route_matched']);
    expect(await seen('grace', unvouched)).toEqual(['unverified', 'rejected', 'trust_too_low']);
    expect(await seen('linus')).toEqual(['unverified', 'rejected', 'trust_too_low']);
    expect(await seen('nobody')).toEqual(['unknown', 'rejected', 'trust_too_low']);
    expect(await seen('eve')).toEqual(['verified', 'rejected', 'sender_denied']);
    await app.client.request('DELETE', `/api/v1/communications/routes/${catchAll.id}`);
  });

  it('matches by what the message says, and a condition that fails does not match', async () => {
    const on = await createWebhookChannel(app.client);
    const cases: [match: string, event: object, wins: boolean][] = [
      ['text.contains("refund")', { text: 'a refund, please' }, true],
      ['text.contains("refund")', {}, false],
      ['sender.endsWith("@example.com") && trust == "unknown"', { sender: 'x@example.com' }, true],
      ['metadata.payload.amount > 100', { amount: 250 }, true],
      ['metadata.payload.amount > 100', { amount: 50 }, false],
      ['metadata.payload.amount > 100', { other: 1 }, false],
      ['has(metadata.payload.amount)', { other: 1 }, false],
      ['message.text.matches("^ticket [0-9]+$")', { text: 'ticket 42' }, true],
    ];
    for (const [match, event, wins] of cases) {
      const made = await route({ channelId: on.id, config: { match } });
      const { message, decision } = await decide({ sender: 'ada', ...event }, on);
      expect([match, event, message.routeId === made.id]).toEqual([match, event, wins]);
      expect(decision.considered[0].reason).toMatch(wins ? /^matched$/ : /^match_(false|failed)/);
      await app.client.request('DELETE', `/api/v1/communications/routes/${made.id}`);
    }
  });
});

describeEachDatabase('the router', (database) => {
  const db = () => database().db;

  /** Messages as the inbox leaves them, with as many links and routes around as asked for. */
  async function fill(app: TestApp, on: TestChannel, messages: number, links: number, routes: number): Promise<void> {
    const tenant = app.tenantId;
    await sql`insert into identity_links (tenant_id, id, channel, external_identity, user_id)
      select ${tenant}::uuid, gen_random_uuid(), 'webhook', ${randomUUID()} || n, 'u' || n
      from generate_series(1, ${links}::int) n`.execute(db());
    await sql`with made as (
        insert into endpoints (tenant_id, id, channel_id, address)
        select ${tenant}::uuid, gen_random_uuid(), ${on.id}::uuid, ${randomUUID()} || n
        from generate_series(1, ${routes}::int) n returning *)
      insert into routes (tenant_id, id, channel_id, endpoint_id, handler_kind, allowed_sender_policy, config)
      select tenant_id, gen_random_uuid(), channel_id, id, 'process', '{}', '{}' from made`.execute(db());
    await db()
      .insertInto('inbound_messages')
      .values(
        Array.from({ length: messages }, (_unused, index) => ({
          tenant_id: tenant,
          id: newId(),
          event_id: newId(),
          channel_id: on.id,
          channel: 'webhook' as const,
          idempotency_key: randomUUID(),
          external_identity: `sender-${index}`,
          display_name: null,
          recipient: `address-${index % 7}`,
          text: 'hello',
          channel_message_id: null,
          channel_thread_id: null,
          attachments: '[]',
          channel_metadata: '{}',
          vouched: true,
          endpoint_id: null,
          user_id: null,
          route_id: null,
          route_target: null,
          route_target_id: null,
          created_at: new Date(),
          updated_at: new Date(),
        })),
      )
      .execute();
  }

  it('asks the database a handful of times, whatever the number of messages, links and routes', async () => {
    const app = await startTestApp(database(), { env: { ROLE: 'ingest' } });
    const on = await createWebhookChannel(app.client);
    await app.client.post('/api/v1/communications/routes', { channelId: on.id });
    let queries = 0;
    const counted = db().withPlugin({
      transformQuery: ({ node }) => ((queries += 1), node),
      transformResult: async ({ result }) => result,
    });
    const counts: number[] = [];
    for (const [messages, links, routes] of [
      [1, 1, 1],
      [100, 1_000, 300],
      [100, 3_000, 1_000],
    ] as const) {
      await fill(app, on, messages, links, routes);
      queries = 0;
      expect(await routeBatch(counted, 200, new Date())).toMatchObject({ messages, deliveries: messages });
      counts.push(queries);
    }
    expect(new Set(counts).size).toBe(1);
    expect(counts[0]).toBeLessThanOrEqual(7);
    await app.stop();
  });

  it('two routers at once route each message once', async () => {
    const app = await startTestApp(database(), { env: { ROLE: 'ingest' } });
    const on = await createWebhookChannel(app.client);
    await app.client.post('/api/v1/communications/routes', { channelId: on.id });
    await fill(app, on, 100, 0, 0);
    const other = database().another().db;
    const before = await deliveries();
    const batches = await Promise.all(
      Array.from({ length: 20 }, (_unused, index) => routeBatch(index % 2 ? db() : other, 10, new Date())),
    );
    const first = batches.reduce((sum, batch) => sum + batch.deliveries, 0);
    const rest = await routeBatch(db(), 200, new Date());
    expect(first + rest.deliveries).toBe(100);
    expect((await deliveries()) - before).toBe(100);
    await app.stop();
  });

  async function deliveries(): Promise<number> {
    const row = await db()
      .selectFrom('deliveries')
      .select((eb) => eb.fn.countAll<string>().as('count'))
      .executeTakeFirstOrThrow();
    return Number(row.count);
  }
});
