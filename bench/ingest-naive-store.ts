import { Kysely, PGliteDialect, PostgresDialect, type Dialect } from 'kysely';
import pg from 'pg';
import { openEmbedded } from '../src/db/embedded.ts';
import { migrateToLatest } from '../src/db/migrate.ts';
import type { Database } from '../src/db/schema.ts';
import type { Arrival } from '../src/inbox/accept.ts';
import { ensureEventPartitions } from '../src/retention/partitions.ts';
import { newId } from '../src/lib/ids.ts';
import { silentLogger } from '../src/lib/logger.ts';
import type { ParsedMessage } from '../src/provider.ts';
import type { StandInOptions } from './ingest-processes.ts';

type Query = (statement: string, values: unknown[]) => Promise<unknown>;

/** Opens and migrates the database, and returns what stores one arrival: durable when it resolves. */
export async function openNaiveStore(options: StandInOptions): Promise<(arrival: Arrival) => Promise<void>> {
  if (options.databaseUrl === undefined) {
    const { pglite } = await openEmbedded(options.dataDir ?? '');
    await migrate(new PGliteDialect({ pglite }));
    return (arrival) => pglite.transaction((trx) => insert(trx.query.bind(trx), arrival));
  }
  const pool = new pg.Pool({ connectionString: options.databaseUrl, max: 10 });
  await migrate(new PostgresDialect({ pool }));
  return async (arrival) => {
    const client = await pool.connect();
    try {
      await client.query('begin');
      await insert(client.query.bind(client), arrival);
      await client.query('commit');
    } catch (error) {
      await client.query('rollback');
      throw error;
    } finally {
      client.release();
    }
  };
}

async function migrate(dialect: Dialect): Promise<void> {
  const db = new Kysely<Database>({ dialect });
  await migrateToLatest(db, silentLogger);
  await ensureEventPartitions(db, new Date());
}

async function insert(query: Query, arrival: Arrival): Promise<void> {
  const eventId = newId();
  await query(insertEvent, [
    arrival.tenantId,
    eventId,
    arrival.channelId,
    arrival.provider,
    arrival.receivedAt,
    arrival.method,
    arrival.url,
    JSON.stringify(arrival.headers),
    arrival.body,
    JSON.stringify(arrival.ignored),
    arrival.deliveryId,
  ]);
  for (const message of arrival.messages) await query(insertMessage, messageValues(arrival, eventId, message));
}

const insertEvent = `
  insert into events (tenant_id, id, channel_id, provider, received_at, method, url, headers, body, outcome,
    ignored, delivery_id)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'accepted', $10, $11)`;

const insertMessage = `
  insert into inbound_messages (tenant_id, id, event_id, channel_id, channel, idempotency_key, external_identity,
    display_name, recipient, text, channel_message_id, channel_thread_id, attachments, channel_metadata, sent_at,
    vouched, created_at, updated_at)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17)
  on conflict (tenant_id, idempotency_key) do nothing`;

function messageValues(arrival: Arrival, eventId: string, message: ParsedMessage): unknown[] {
  return [
    arrival.tenantId,
    newId(),
    eventId,
    arrival.channelId,
    message.channel,
    `${arrival.channelId}:${message.dedupeKey}`,
    message.externalIdentity,
    message.displayName,
    message.recipient,
    message.text,
    message.channelMessageId,
    message.channelThreadId,
    JSON.stringify(message.attachments),
    JSON.stringify(message.channelMetadata),
    message.sentAt,
    message.vouched,
    arrival.receivedAt,
  ];
}
