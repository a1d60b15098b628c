import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { describe, expect, it } from 'vitest';
import { signSlack } from '../../demo/sign.ts';
import { newWebhookSecret } from '../../src/lib/standard-webhooks.ts';
import { createBacklogReader } from '../../src/metrics/backlog.ts';
import { countDeliveries, countTargets } from '../../src/outbox/backlog.ts';
import { describeEachDatabase, openTestDatabase } from '../support/databases.ts';
import { readPrometheus, type Exposition } from '../support/prometheus.ts';
import { createWebhookChannel, messageWith, postEvent, send } from '../support/story.ts';
import { eventually, startTestApp } from '../support/test-app.ts';
import { startTestTarget } from '../support/test-target.ts';

async function scrape(url: string, headers: Record<string, string> = {}): Promise<Exposition> {
  const response = await fetch(`${url}/metrics`, { headers });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  return readPrometheus(await response.text());
}

describeEachDatabase('metrics', (database) => {
  it('count a small story exactly, and parse as Prometheus text', async () => {
    const app = await startTestApp(database());
    const [good, bad] = [await startTestTarget(), await startTestTarget()];
    bad.answer = (_one, response) => response.writeHead(500).end();
    const policy = { maxAttempts: 2, backoffBaseMs: 1 };
    const toGood = await app.client.post('/api/v1/targets', { kind: 'http', name: 'good', url: good.url });
    const toBad = await app.client.post('/api/v1/targets', { kind: 'http', name: 'bad', url: bad.url, policy });
    const [one, two] = [await createWebhookChannel(app.client), await createWebhookChannel(app.client)];
    await app.client.post('/api/v1/communications/routes', { channelId: one.id, targetId: toGood.id });
    await app.client.post('/api/v1/communications/routes', { channelId: two.id, targetId: toBad.id });
    const signingSecret = randomUUID();
    const slack = await app.client.post('/api/v1/channels', {
      provider: 'slack',
      name: 's',
      secrets: { signingSecret },
    });
    const postSlack = async (event: object): Promise<void> => {
      const body = JSON.stringify({ type: 'event_callback', team_id: 'T1', event_id: randomUUID(), event });
      expect((await send(slack.ingestUrl, signSlack({ secret: signingSecret, body }))).status).toBe(200);
    };

    await postEvent(one, { sender: 'ada' }, 'msg_one');
    await messageWith(app, 'msg_one', 'processed');
    await postEvent(one, { sender: 'ada' }, 'msg_one');
    await postEvent(two, { sender: 'ada' }, 'msg_two');
    await messageWith(app, 'msg_two', 'failed');
    await postEvent(one, 'not json');
    const forged = await postEvent({ ...one, secret: newWebhookSecret() }, { sender: 'eve' });
    expect(forged.status).toBe(401);
    expect((await fetch(`${app.url}/in/${randomUUID()}`, { method: 'POST', body: '{}' })).status).toBe(401);
    await postSlack({ type: 'message', channel: 'C1', ts: '1.1', user: 'U1', text: 'hi' });
    await messageWith(app, '1.1', 'unrouted');
    await postSlack({ type: 'message', channel: 'C1', ts: '1.2', bot_id: 'B1', subtype: 'bot_message', text: 'echo' });

    const seen = await eventually('all tries to be counted', async () => {
      const now = await scrape(app.url);
      return now.sum('postroom_attempts_total') === 3 ? now : undefined;
    });
    const sums: [string, Record<string, string>, number][] = [
      ['postroom_events_total', { provider: 'standard-webhooks', outcome: 'accepted' }, 2],
      ['postroom_events_total', { provider: 'standard-webhooks', outcome: 'duplicate' }, 1],
      ['postroom_events_total', { provider: 'standard-webhooks', outcome: 'unparsed' }, 1],
      ['postroom_events_total', { provider: 'slack', outcome: 'accepted' }, 1],
      ['postroom_events_total', { provider: 'slack', outcome: 'ignored' }, 1],
      ['postroom_messages_total', { provider: 'standard-webhooks', outcome: 'new' }, 2],
      ['postroom_messages_total', { provider: 'standard-webhooks', outcome: 'duplicate' }, 1],
      ['postroom_messages_total', { provider: 'slack', outcome: 'new' }, 1],
      ['postroom_rejections_total', { provider: 'standard-webhooks', reason: 'bad_signature' }, 1],
      ['postroom_rejections_total', { provider: 'none', reason: 'unknown_channel' }, 1],
      ['postroom_rejections_total', {}, 2],
      ['postroom_ingest_failures_total', {}, 0],
      ['postroom_ingest_duration_seconds_count', {}, 6],
      ['postroom_inbox_batch_events_sum', {}, 6],
      ['postroom_inbox_queued_events', {}, 0],
      ['postroom_routing_batch_messages_sum', {}, 3],
      ['postroom_routing_decisions_total', { status: 'routed' }, 2],
      ['postroom_routing_decisions_total', { status: 'unrouted' }, 1],
      ['postroom_deliveries_claimed_total', {}, 3],
      ['postroom_attempts_total', { handler: 'process', outcome: 'succeeded' }, 1],
      ['postroom_attempts_total', { handler: 'process', outcome: 'retry' }, 1],
      ['postroom_attempts_total', { handler: 'process', outcome: 'dead' }, 1],
      ['postroom_attempt_duration_seconds_count', { handler: 'process' }, 3],
      ['postroom_delivery_latency_seconds_count', { handler: 'process' }, 3],
      ['postroom_end_to_end_seconds_count', { handler: 'process' }, 1],
      ['postroom_leases_taken_back_total', {}, 0],
      ['postroom_database_up', {}, 1],
      ['postroom_backlog_messages', {}, 0],
      ['postroom_targets', { state: 'closed' }, 2],
      ['postroom_retention_failing', {}, 0],
    ];
    expect(sums.map(([name, labels]) => [name, labels, seen.sum(name, labels)])).toEqual(sums);
    expect(seen.sum('postroom_end_to_end_seconds_sum')).toBeGreaterThan(0);
    expect(seen.families.has('process_cpu_seconds_total')).toBe(true);
    expect(seen.families.has('postroom_database_connections')).toBe(database().kind === 'postgres');

    // Nobody's ids or addresses, of which there may be any number.
    const labels = new Set(
      seen.samples.filter(({ name }) => name.startsWith('postroom_')).flatMap((s) => Object.keys(s.labels)),
    );
    expect([...labels].sort()).toEqual(['handler', 'le', 'outcome', 'provider', 'reason', 'state', 'status']);
    await app.stop();
    await Promise.all([good.stop(), bad.stop()]);
  });

  it('tell a late completion, and what is called back', async () => {
    const app = await startTestApp(database());
    const target = await startTestTarget();
    const made = await app.client.post('/api/v1/targets', { kind: 'http', name: 't', url: target.url });
    const channel = await createWebhookChannel(app.client);
    await app.client.post('/api/v1/communications/routes', {
      channelId: channel.id,
      targetId: made.id,
      config: { callback: {} },
    });
    await postEvent(channel, { sender: 'ada' }, 'msg_called_back');
    const [asked] = await eventually('the target to be asked', () =>
      target.received.length > 0 ? target.received : undefined,
    );
    const { data } = asked?.body ?? {};
    await eventually('it to be awaiting', async () => {
      const { state } = await app.client.get(`/api/v1/deliveries/${data.delivery.id}`);
      return state === 'awaiting';
    });
    const path = new URL(data.callbackUrl).pathname;
    expect((await fetch(`${app.url}${path}`, { method: 'POST' })).status).toBe(200);
    expect((await fetch(`${app.url}${path}`, { method: 'POST' })).status).toBe(409);

    // While the target thinks, another takes the delivery over.
    target.answer = (_one, response) =>
      void sql`update deliveries set fence = fence + 1 where state = 'running'`
        .execute(database().db)
        .then(() => response.end('{}'));
    await postEvent(channel, { sender: 'ada' }, 'msg_late');
    const seen = await eventually('the late one to be counted', async () => {
      const now = await scrape(app.url);
      return now.sum('postroom_attempts_total', { outcome: 'superseded' }) === 1 ? now : undefined;
    });
    expect(seen.sum('postroom_attempts_total', { outcome: 'awaiting' })).toBe(1);
    expect(seen.sum('postroom_callbacks_total', { outcome: 'succeeded' })).toBe(1);
    expect(seen.sum('postroom_callbacks_total')).toBe(1);
    expect(seen.sum('postroom_end_to_end_seconds_count')).toBe(1);
    await app.stop();
    await target.stop();
  });

  it('are for everyone, or for whoever shows the token', async () => {
    const open = await startTestApp(database(), { env: { ROLE: 'worker' } });
    await scrape(open.url);
    await open.stop();
    const token = 'a-token-for-prometheus';
    const app = await startTestApp(database(), { env: { METRICS_TOKEN: token } });
    for (const authorization of ['', `Bearer ${token}x`, `Basic ${token}`, `Bearer ${app.token}`]) {
      const answer = await fetch(`${app.url}/metrics`, { headers: { authorization } });
      expect([authorization, answer.status]).toEqual([authorization, 401]);
      expect(await answer.text()).not.toContain('postroom_');
    }
    await scrape(app.url, { authorization: `Bearer ${token}` });
    await app.stop();
  });
});

describeEachDatabase('the backlog', (database) => {
  const db = () => database().db;
  const tenant = '00000000-0000-7000-8000-00000000000a';

  /** Adds so many deliveries, spread over so many targets that do not exist. */
  async function add(count: number, targets: number, columns: Record<string, string | boolean | null>): Promise<void> {
    const given = { handler_kind: 'process', ...columns };
    const names = sql.raw(Object.keys(given).join(', '));
    await sql`
      insert into deliveries (tenant_id, id, message_id, target_id, run_at, ${names})
      select ${tenant}::uuid, gen_random_uuid(), gen_random_uuid(), md5((i % ${targets})::text)::uuid,
        now() - interval '1 minute' - i * interval '1 millisecond', ${sql.join(Object.values(given))}
      from generate_series(1, ${count}) i`.execute(db());
  }

  /** What the states that are set above bring with them. */
  async function complete(): Promise<void> {
    await sql`update deliveries set
      finished_at = case when state in ('succeeded', 'dead', 'cancelled') then now() end,
      error = case when state in ('dead', 'cancelled') then '{"code":"x"}'::jsonb end,
      on_deadline = case when state = 'awaiting' then 'retry' end`.execute(db());
    await sql`insert into claims (look_at, tenant_ids, delivery_ids)
      select now(), array_agg(tenant_id), array_agg(id) from deliveries where state = 'running'`.execute(db());
  }

  it('is counted by what waits for what, up to a bound, without reading what has ended', async () => {
    await add(20_000, 50, { state: 'succeeded' });
    await add(2_500, 2_400, { state: 'pending' });
    await add(30, 3, { state: 'pending', blocked: true });
    await add(4, 1, { state: 'pending', held: true });
    await add(5, 1, { state: 'running' });
    await add(6, 1, { state: 'awaiting' });
    await add(7, 1, { state: 'dead' });
    await add(8, 1, { state: 'cancelled', held: true });
    await add(3, 1, { state: 'pending' });
    await complete();
    await sql`update deliveries set target_id = null, run_at = now() + interval '1 hour'
      where id in (select id from deliveries where state = 'pending' and not held and not blocked limit 3)`.execute(
      db(),
    );
    await sql`insert into tenants (id, name) values (${tenant}, 'many')`.execute(db());
    await sql`
      insert into targets (tenant_id, id, kind, name, url, secrets, policy, breaker, status)
      select ${tenant}::uuid, md5(i::text)::uuid, 'http', i::text, 'https://example.com', '{}', '{}',
        case when i = 5 then 'open' else 'closed' end, case when i = 6 then 'paused' else 'active' end
      from generate_series(5, 7) i`.execute(db());
    await sql`analyze deliveries`.execute(db());

    const { deliveries, scans, scansOfAll } = await db()
      .transaction()
      .execute(async (trx) => {
        // What came before may still be on the session's own account.
        const before = await sequentialScans(trx);
        const counted = await countDeliveries(trx);
        const scansOfCount = (await sequentialScans(trx)) - before;
        await sql`select count(*) from deliveries where attempts = 77`.execute(trx);
        return { deliveries: counted, scans: scansOfCount, scansOfAll: (await sequentialScans(trx)) - before };
      });
    const { rows } = await sql<{ broken: number; oldest: number }>`
      select (count(*) filter (where target_id = md5('5')::uuid))::int as broken,
        extract(epoch from now() - min(run_at) filter (where target_id is distinct from md5('5')::uuid))::float8 as oldest
      from deliveries where state = 'pending' and not held and not blocked`.execute(db());
    const { broken, oldest } = rows[0] ?? { broken: 0, oldest: 0 };
    expect(broken).toBeGreaterThan(0);
    const { oldestDueSeconds, ...counts } = deliveries;
    expect(counts).toEqual({
      due: 2_500 - broken,
      broken,
      scheduled: 3,
      blocked: 30,
      held: 4,
      running: 5,
      awaiting: 6,
      dead: 7,
    });
    expect(oldestDueSeconds).toBeGreaterThan(60);
    expect(Math.abs((oldestDueSeconds ?? 0) - oldest)).toBeLessThan(30);
    expect(scans).toBe(0);
    expect(scansOfAll).toBeGreaterThan(0);
    expect(await countTargets(db())).toEqual({ closed: 1, open: 1, half_open: 0, paused: 1 });

    await add(12_000, 1, { state: 'pending' });
    expect((await countDeliveries(db())).due).toBe(10_000);
  });

  it('is looked at once in a while, however many ask, and a failure is not remembered', async () => {
    let queries = 0;
    let isBroken = true;
    const counted = db().withPlugin({
      transformQuery: ({ node }) => {
        queries += 1;
        if (isBroken) throw new Error('the database is away');
        return node;
      },
      transformResult: async ({ result }) => result,
    });
    let now = 0;
    const read = createBacklogReader(counted, () => now);
    await expect(read()).rejects.toThrow('away');
    isBroken = false;
    queries = 0;
    await Promise.all([read(), read(), read()]);
    const once = queries;
    expect(once).toBeGreaterThan(0);
    now = 4_000;
    await read();
    expect(queries).toBe(once);
    now = 6_000;
    await read();
    expect(queries).toBeGreaterThan(once);
  });

  async function sequentialScans(trx: Parameters<typeof countDeliveries>[0]): Promise<number> {
    const { rows } = await sql<{ scans: string }>`
      select coalesce(seq_scan, 0)::text as scans from pg_stat_xact_user_tables where relname = 'deliveries'`.execute(
      trx,
    );
    return Number(rows[0]?.scans ?? 0);
  }
});

describe('without its database', () => {
  it('metrics are still answered, and say so', async () => {
    const database = await openTestDatabase('embedded');
    const app = await startTestApp(database, { env: { ROLE: 'ingest' } });
    const channel = await createWebhookChannel(app.client);
    expect((await postEvent(channel, { sender: 'ada' })).status).toBe(200);
    await database.close();
    expect((await postEvent(channel, { sender: 'ada' })).status).toBe(503);
    const seen = await scrape(app.url);
    expect(seen.sum('postroom_database_up')).toBe(0);
    expect(seen.sum('postroom_ingest_failures_total', { provider: 'standard-webhooks' })).toBe(1);
    expect(seen.samples.filter(({ name }) => name.startsWith('postroom_backlog'))).toEqual([]);
    await app.stop();
  });
});
