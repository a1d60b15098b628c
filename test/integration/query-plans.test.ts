import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { fillEvents, fillFinished, fillLinks, fillPending, fillRoutes, furnish, settle } from '../../bench/fill.ts';
import { arrivalOf, claimAndComplete, makePlace, recipientOf, senderOf, type Place } from '../../bench/world.ts';
import { createInbox } from '../../src/inbox/accept.ts';
import { getEvent, listEvents } from '../../src/inbox/events.ts';
import { getMessage, listMessages } from '../../src/inbox/messages.ts';
import { countDeliveries } from '../../src/outbox/backlog.ts';
import { expireAwaiting } from '../../src/outbox/callbacks.ts';
import { claimDeliveries, type Claim, type Claimed } from '../../src/outbox/claim.ts';
import { reapExpiredLeases, releaseClaims, renewLeases } from '../../src/outbox/leases.ts';
import { completeDeliveries, nothingMore, type Completion } from '../../src/outbox/complete.ts';
import { getDelivery, listDeliveries, listMessageDeliveries } from '../../src/outbox/deliveries.ts';
import { loadWork } from '../../src/outbox/work.ts';
import { listIdentityLinks } from '../../src/routing/identity-links.ts';
import { routeBatch } from '../../src/routing/router.ts';
import { listRoutes } from '../../src/routing/routes.ts';
import { databaseKinds, openTestDatabase, type TestDatabase } from '../support/databases.ts';

/** Tables that grow with what people send. Partitions of `events` count as `events`. */
const growing = ['inbound_messages', 'deliveries', 'attempts', 'events', 'identity_links', 'routes'];

/** Enough that reading a table from end to end is never the cheaper way to find a batch of 500. */
const rows = 60_000;

interface Statement {
  readonly name: string | undefined;
  readonly text: string;
  readonly values: readonly unknown[];
}

/** What the driver is given while an action runs, as it is sent; everything is passed on. */
async function recordStatements(action: () => Promise<unknown>): Promise<Statement[]> {
  const statements: Statement[] = [];
  const send = pg.Client.prototype.query as (...given: unknown[]) => unknown;
  const spy = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...given: any[]) {
    const [first, values] = given;
    const { name, text, values: own } = typeof first === 'string' ? { name: undefined, text: first, values } : first;
    statements.push({ name, text, values: own ?? [] });
    return send.apply(this, given) as void;
  });
  try {
    await action();
  } finally {
    spy.mockRestore();
  }
  return statements.filter(({ text }) => /^\s*(?:\/\*.*?\*\/)?\s*(?:select|insert|update|delete|with)\b/i.test(text));
}

describe.skipIf(!databaseKinds.includes('postgres'))('query plans on PostgreSQL', () => {
  let database: TestDatabase;
  let place: Place;
  let client: pg.Client;
  let claims: readonly Claim[] = [];

  beforeAll(async () => {
    database = await openTestDatabase('postgres');
    const { db } = database;
    place = await makePlace(db);
    await furnish(place);
    await fillLinks(place, rows);
    await fillRoutes(place, rows);
    await fillFinished(place, rows);
    await fillPending(place, rows / 6);
    await fillEvents(place, rows / 6);
    await accept(300);
    await settle(db);
    const url = new URL(inject('postgresTemplate')?.adminUrl ?? '');
    const current = await sql<{ name: string }>`select current_database() as name`.execute(db);
    url.pathname = `/${current.rows[0]?.name ?? ''}`;
    client = new pg.Client({ connectionString: url.href });
    await client.connect();
    // For what is prepared; what is explained with its values is planned for them in any case.
    await client.query('set plan_cache_mode = force_generic_plan');
  }, 120_000);

  afterAll(async () => {
    await client?.end();
    await database?.close();
  });

  async function accept(count: number): Promise<void> {
    const inbox = createInbox(database.db, { onBooked: () => {} });
    await Promise.all(
      Array.from({ length: count }, (_, n) =>
        inbox.accept(arrivalOf(place, senderOf(1 + n * 7), recipientOf(1 + n * 3))),
      ),
    );
  }

  /** Tables that grow and that one of the statements reads from end to end, with the statement's beginning. */
  async function findScans(statements: readonly Statement[]): Promise<string[]> {
    const found: string[] = [];
    const note = (text: string, mode: string, answer: pg.QueryResult): void => {
      const [{ 'QUERY PLAN': plans }] = answer.rows as [{ 'QUERY PLAN': [{ Plan: PlanNode }] }];
      for (const table of scannedTables(plans[0].Plan)) {
        found.push(`${table} (${mode} plan): ${text.replaceAll(/\s+/g, ' ').slice(0, 160)}`);
      }
    };
    for (const { name, text, values } of statements) {
      note(text, 'custom', await client.query(`explain (format json) ${text}`, [...values]));
      if (name === undefined) continue;
      // After its fifth run PostgreSQL may plan a named one for any values: they no longer matter.
      await client.query(`prepare examined as ${text}`);
      const any = values.map(() => 'null').join(', ');
      note(text, 'generic', await client.query(`explain (format json) execute examined(${any})`));
      await client.query('deallocate examined');
    }
    return found;
  }

  async function expectNoScans(action: () => Promise<unknown>, ...tables: string[]): Promise<void> {
    const statements = await recordStatements(action);
    for (const table of tables) expect(statements.some(({ text }) => text.includes(table))).toBe(true);
    expect(await findScans(statements)).toEqual([]);
  }

  it('would be told of a scan', async () => {
    const statements = await recordStatements(() =>
      database.db.selectFrom('deliveries').select('id').where('lease_owner', '=', 'nobody').execute(),
    );
    expect(await findScans(statements)).toEqual([expect.stringContaining('deliveries (custom plan)')]);
  });

  it('booking a group of arrivals scans nothing', async () => {
    await expectNoScans(() => accept(100), 'inbound_messages', 'events');
  });

  it('routing a batch scans nothing, with and without order', async () => {
    const tables = ['inbound_messages', 'identity_links', 'routes', 'deliveries'];
    await expectNoScans(() => routeBatch(database.db, 200, new Date()), ...tables);
    await expectNoScans(() => routeBatch(database.db, 200, new Date(), () => 'sender'), ...tables);
  });

  it('claiming, and loading what was claimed, scans nothing', async () => {
    let lanes: Claimed['lanes'] = [];
    const request = { worker: 'w', free: 500, leaseSeconds: 30, workers: 1, rank: 0, load: [] };
    await expectNoScans(
      async () => {
        const claimed = await claimDeliveries(database.db, { ...request, position: { tenant: null, targets: {} } });
        claims = claimed.claims;
        lanes = claimed.lanes;
      },
      'deliveries',
      'inbound_messages',
    );
    await expectNoScans(
      async () => {
        const position = { tenant: null, targets: {} };
        const { claims: more } = await claimDeliveries(database.db, { ...request, free: 10, lanes, position });
        await releaseClaims(database.db, more);
      },
      'deliveries',
      'inbound_messages',
    );
    expect(claims).toHaveLength(500);
    await expectNoScans(() => loadWork(database.db, claims), 'inbound_messages', 'routes');
  });

  it('renewing, releasing and taking back leases scans nothing', async () => {
    await expectNoScans(() => renewLeases(database.db, 'w', claims, 30), 'deliveries');
    await expectNoScans(() => releaseClaims(database.db, claims.slice(0, 10)), 'deliveries');
    await expectNoScans(() => reapExpiredLeases(database.db), 'deliveries', 'attempts');
    await expectNoScans(() => expireAwaiting(database.db), 'deliveries');
  });

  it('completing scans nothing, with and without order', async () => {
    const completion = (claim: Claim): Completion => ({
      claim,
      worker: 'w',
      from: 'running',
      outcome: 'succeeded',
      ...nothingMore,
      result: {},
      startedAt: new Date(),
      durationMs: 0,
    });
    const plain = claims.slice(10, 180).map(completion);
    await expectNoScans(() => completeDeliveries(database.db, plain), 'deliveries', 'attempts');
    const error = { code: 'target_refused', message: 'the target answered 400' };
    const dead = claims.slice(180, 260).map((claim): Completion => ({ ...completion(claim), outcome: 'dead', error }));
    await expectNoScans(() => completeDeliveries(database.db, dead), 'deliveries', 'attempts', 'inbound_messages');
    const keyed = claims.slice(260).map((claim) => completion({ ...claim, ordering_key: `key-${claim.id}` }));
    await expectNoScans(() => completeDeliveries(database.db, keyed), 'deliveries', 'attempts');
    await claimAndComplete(database.db, 1);
  });

  it('counting what waits scans nothing', async () => {
    await expectNoScans(() => countDeliveries(database.db), 'deliveries');
  });

  it('listing deliveries by page, and showing one, scans nothing', async () => {
    const { db } = database;
    const { tenantId } = place;
    const { items, nextCursor } = await listDeliveries(db, tenantId, { limit: 50 });
    const [one] = items;
    if (!one || nextCursor === null) throw new Error('there are no deliveries to list');
    const page = { limit: 50, cursor: nextCursor };
    await expectNoScans(() => listDeliveries(db, tenantId, { limit: 50 }), 'deliveries');
    await expectNoScans(() => listDeliveries(db, tenantId, page), 'deliveries');
    await expectNoScans(() => listDeliveries(db, tenantId, { ...page, state: 'dead' }), 'deliveries');
    await expectNoScans(() => listDeliveries(db, tenantId, { ...page, state: 'succeeded' }), 'deliveries');
    await expectNoScans(() => listDeliveries(db, tenantId, { ...page, messageId: one.message_id }), 'deliveries');
    await expectNoScans(() => listDeliveries(db, tenantId, { ...page, since: new Date().toISOString() }), 'deliveries');
    await expectNoScans(() => listMessageDeliveries(db, tenantId, one.message_id), 'deliveries');
    await expectNoScans(() => getDelivery(db, tenantId, one.id), 'deliveries', 'attempts');
  });

  it('listing messages, events, links and routes by page scans nothing', async () => {
    const { db } = database;
    const { tenantId } = place;
    const [message] = await listMessages(db, tenantId, { limit: 50, offset: 0 });
    const { items: events, nextCursor } = await listEvents(db, tenantId, { limit: 50 });
    const [event] = events;
    if (!message || !event || nextCursor === null) throw new Error('there is nothing to list');
    await expectNoScans(() => listMessages(db, tenantId, { limit: 50, offset: 100 }), 'inbound_messages');
    for (const status of ['failed', 'processed', 'routed']) {
      await expectNoScans(() => listMessages(db, tenantId, { limit: 50, offset: 0, status }), 'inbound_messages');
    }
    await expectNoScans(() => getMessage(db, tenantId, message.id), 'inbound_messages');
    await expectNoScans(() => listEvents(db, tenantId, { limit: 50 }), 'events');
    await expectNoScans(() => listEvents(db, tenantId, { limit: 50, cursor: nextCursor }), 'events');
    await expectNoScans(() => getEvent(db, tenantId, event.id), 'events');
    await expectNoScans(() => listIdentityLinks(db, tenantId, { limit: 50, offset: 100 }), 'identity_links');
    await expectNoScans(() => listRoutes(db, tenantId, { limit: 50 }), 'routes');
  });
});

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly Plans?: readonly PlanNode[];
}

function scannedTables(node: PlanNode): string[] {
  const table = node['Relation Name'] ?? '';
  const isScan =
    node['Node Type'] === 'Seq Scan' && growing.some((name) => table === name || table.startsWith(`${name}_`));
  return [...(isScan ? [table] : []), ...(node.Plans ?? []).flatMap(scannedTables)];
}
