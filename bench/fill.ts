import { sql, type Kysely } from 'kysely';
import type { Database } from '../src/db/schema.ts';
import { bookSample, claimAndComplete, makeLink, makeRoute, recipientOf, senderOf, type Place } from './world.ts';
import { tell } from './table.ts';

/**
 * Rows by the million. One row comes into being the real way and is copied inside PostgreSQL, column
 * by column as the table has them now; only what must differ is given. Ids are UUIDv7 in order, as
 * the service's own: random ones would measure another index than people have.
 */
interface Copies {
  readonly table: 'inbound_messages' | 'deliveries' | 'attempts' | 'identity_links' | 'endpoints' | 'routes' | 'events';
  /** Condition for the row to copy. */
  readonly of: string;
  readonly count: number;
  /** SQL by column; `n` is the copy's number, from 1. Other columns are copied. */
  readonly changed: Readonly<Record<string, string>>;
}

const rowsPerStatement = 200_000;

async function copyRow(db: Kysely<Database>, { table, of, count, changed }: Copies): Promise<void> {
  const { rows } = await sql<{ name: string }>`select column_name as name from information_schema.columns
    where table_schema = 'public' and table_name = ${table} order by ordinal_position`.execute(db);
  const names = rows.map((row) => row.name);
  const unknown = Object.keys(changed).filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`${table} has no ${unknown.join(', ')}`);
  const values = names.map((name) => changed[name] ?? `s.${name}`);
  for (let from = 1; from <= count; from += rowsPerStatement) {
    const to = Math.min(count, from + rowsPerStatement - 1);
    await sql
      .raw(
        `insert into ${table} (${names.join(', ')}) select ${values.join(', ')}
        from (select * from ${table} where ${of}) s cross join generate_series(${from}::bigint, ${to}) n`,
      )
      .execute(db);
    tell(`${table}: ${to} of ${count}`);
  }
}

/** SQL for the id of copy `n`: a UUIDv7 whose time goes on by a millisecond every ten copies. */
function idOf(kind: string, startMs: number): string {
  return `(lpad(to_hex(${startMs} + n / 10), 12, '0') || '7' || lpad(to_hex(n % 10), 3, '0') || '8' ||
    left(md5('${kind}' || n), 15))::uuid`;
}

const dayMs = 86_400_000;

/** Identity links 1 to `count` of the world's tenant; the first one is there already. */
export async function fillLinks(world: Place, count: number): Promise<void> {
  await copyRow(world.db, {
    table: 'identity_links',
    of: `external_identity = '${senderOf(1)}'`,
    count: count - 1,
    changed: {
      id: idOf('link', Date.now() - dayMs),
      external_identity: numbered(senderOf),
      user_id: `'user-' || (n + 1)`,
    },
  });
}

/** SQL for the name of copy `n`, which follows the first one. */
function numbered(nameOf: (n: number) => string): string {
  return `replace('${nameOf(0)}', '0', (n + 1)::text)`;
}

/** Endpoints with two routes each, `routes` routes together; the first endpoint is there with its first route. */
export async function fillRoutes(world: Place, routes: number): Promise<number> {
  const endpoints = Math.ceil(routes / 2);
  const first = `tenant_id = '${world.tenantId}' and address = '${recipientOf(1)}'`;
  const startMs = Date.now() - dayMs;
  await copyRow(world.db, {
    table: 'endpoints',
    of: first,
    count: endpoints - 1,
    changed: { id: idOf('endpoint', startMs), address: numbered(recipientOf) },
  });
  const ofFirst = `endpoint_id = (select id from endpoints where ${first}) and priority = 0`;
  await copyRow(world.db, {
    table: 'routes',
    of: ofFirst,
    count: endpoints - 1,
    changed: { id: idOf('route', startMs), endpoint_id: idOf('endpoint', startMs) },
  });
  await copyRow(world.db, {
    table: 'routes',
    of: ofFirst,
    count: 1,
    changed: { id: idOf('second', startMs), priority: '-1' },
  });
  await copyRow(world.db, {
    table: 'routes',
    of: ofFirst,
    count: endpoints - 1,
    changed: { id: idOf('low', startMs), endpoint_id: idOf('endpoint', startMs), priority: '-1' },
  });
  return endpoints;
}

/** A world with something in it: one link, one endpoint with its route, and a route for all other addresses. */
export async function furnish(world: Place): Promise<void> {
  await makeLink(world, 1);
  await makeRoute(world, recipientOf(1));
  await makeRoute(world, null);
}

/** Deliveries that have ended, each with its message and its attempt, all of the day before. */
export async function fillFinished(world: Place, count: number): Promise<void> {
  if (count === 0) return;
  const sample = await bookSample(world);
  const { count: completed } = await claimAndComplete(world.db, 1);
  if (completed !== 1) throw new Error('the sample was not completed');
  const startMs = Date.now() - dayMs;
  await copyMessages(world, sample.messageId, count, { kind: 'finished', startMs });
  await copyRow(world.db, {
    table: 'deliveries',
    of: `id = '${sample.deliveryId}'`,
    count,
    changed: { id: idOf('finished-delivery', startMs), message_id: idOf('finished', startMs) },
  });
  await copyRow(world.db, {
    table: 'attempts',
    of: `delivery_id = '${sample.deliveryId}'`,
    count,
    changed: { delivery_id: idOf('finished-delivery', startMs) },
  });
}

/** Deliveries that are due, each with its message. A worker may be at it already, also at the sample. */
export async function fillPending(world: Place, count: number): Promise<void> {
  if (count === 0) return;
  const sample = await bookSample(world);
  const kind = `pending-${Date.now()}`;
  // So that the last id is of now, and what comes later has a later one.
  const startMs = Date.now() - Math.ceil(count / 10);
  await copyMessages(world, sample.messageId, count - 1, { kind, startMs });
  await copyRow(world.db, {
    table: 'deliveries',
    of: `id = '${sample.deliveryId}'`,
    count: count - 1,
    changed: {
      id: idOf(`${kind}-delivery`, startMs),
      message_id: idOf(kind, startMs),
      run_at: `s.created_at + n * interval '1 microsecond'`,
      state: `'pending'`,
      fence: '0',
      attempts: '0',
      lease_owner: 'null',
      lease_until: 'null',
      finished_at: 'null',
      result: 'null',
    },
  });
}

/** Copies of the latest event, as of now. */
export async function fillEvents(world: Place, count: number): Promise<void> {
  await copyRow(world.db, {
    table: 'events',
    of: 'id = (select id from events order by id desc limit 1)',
    count,
    changed: { id: idOf('event', Date.now() - count) },
  });
}

async function copyMessages(
  world: Place,
  id: string,
  count: number,
  { kind, startMs }: { kind: string; startMs: number },
): Promise<void> {
  await copyRow(world.db, {
    table: 'inbound_messages',
    of: `id = '${id}'`,
    count,
    changed: {
      id: idOf(kind, startMs),
      event_id: idOf(`${kind}-event`, startMs),
      idempotency_key: `s.channel_id || ':${kind}-' || n`,
      channel_message_id: `'${kind}-' || n`,
      status: `'routed'`,
    },
  });
}

/** What autovacuum does in time: visibility, statistics, and a checkpoint that no measurement pays for. */
export async function settle(db: Kysely<Database>): Promise<void> {
  await sql`vacuum (analyze)`.execute(db);
  await sql`checkpoint`.execute(db);
}
