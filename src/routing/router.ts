import { sql, type Kysely, type Transaction } from 'kysely';
import { routingLock } from '../db/locks.ts';
import type { Database } from '../db/schema.ts';
import { decideMessages, type Decided, type Message } from './decide-batch.ts';
import { storeDecisions, type OrderOf } from './store-decisions.ts';

/** One process routes at a time, so that the order of arrival is the order of the deliveries. */
export async function takeRoutingLock(trx: Transaction<Database>): Promise<void> {
  await sql`select pg_advisory_xact_lock(${routingLock}::bigint)`.execute(trx);
}

export interface RoutedBatch {
  /** Messages that were looked at; as many as asked for means that there may be more. */
  readonly messages: number;
  readonly deliveries: number;
  /** What was decided; those of paused channels are not among it. */
  readonly decided: readonly Decided[];
}

/**
 * Takes up to `limit` messages that wait for routing, oldest first, decides each, and stores status,
 * reasons and deliveries in one commit. Several processes take turns. The number of queries does not
 * depend on the number of messages, links or routes.
 */
export async function routeBatch(
  db: Kysely<Database>,
  limit: number,
  now: Date,
  orderOf: OrderOf = () => 'none',
): Promise<RoutedBatch> {
  return await db.transaction().execute(async (trx) => {
    await takeRoutingLock(trx);
    const taken = await trx
      .selectFrom('inbound_messages')
      .selectAll()
      .where(sql<boolean>`status = 'received' and not held`)
      .orderBy('arrival')
      .orderBy('id')
      .limit(limit)
      .forUpdate()
      .skipLocked()
      .execute();
    if (taken.length === 0) return { messages: 0, deliveries: 0, decided: [] };

    const messages = await holdBackPaused(trx, taken);
    const decided = await decideMessages(trx, messages);
    const deliveries = await storeDecisions(trx, decided, now, orderOf);
    return { messages: taken.length, deliveries, decided };
  });
}

/** Sets messages of paused channels aside until the channel goes on; returns the others. */
async function holdBackPaused(trx: Transaction<Database>, messages: readonly Message[]): Promise<Message[]> {
  const channelIds = [...new Set(messages.map((message) => message.channel_id))];
  const { rows: paused } = await sql<{ id: string }>`
    select id from channels where id = any(${channelIds}::uuid[]) and status = 'paused' for share`.execute(trx);
  if (paused.length === 0) return [...messages];
  const pausedIds = new Set(paused.map((row) => row.id));
  const held = messages.filter((message) => pausedIds.has(message.channel_id)).map((message) => message.id);
  await sql`update inbound_messages set held = true where id = any(${held}::uuid[])
    and tenant_id = any(${[...new Set(messages.map((message) => message.tenant_id))]}::uuid[])`.execute(trx);
  return messages.filter((message) => !pausedIds.has(message.channel_id));
}
