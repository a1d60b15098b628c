import { sql, type Kysely, type RawBuilder, type Selectable, type Transaction } from 'kysely';
import type { Database, InboundMessagesTable, MessageStatus } from './schema.ts';

/** The deliveries that speak for `inbound_messages m`. */
const fromSucceeded = sql`from deliveries s
  where s.tenant_id = m.tenant_id and s.message_id = m.id and s.state = 'succeeded' and not s.outdated`;

/**
 * What became of a message is told by its deliveries: it is `processed` once one of them has
 * succeeded. Its own row is not written again for that, which would cost as much as all the rest of
 * a completion; the row says so only when the deliveries go, or its text does.
 *
 * `offset 0` keeps it a look by key for each message: as a join it may begin with all deliveries.
 */
const hasSucceeded = sql`exists (select ${fromSucceeded} offset 0)`;

/** SQL: the status of `inbound_messages m`. */
export const messageStatus = sql<MessageStatus>`case when m.status in ('routed', 'failed') and ${hasSucceeded}
  then 'processed' else m.status end`;

/** The condition that `inbound_messages m` has a status; of a word that is none, that it has none. */
export function hasMessageStatus(status: string): RawBuilder<boolean> {
  if (status === 'processed') {
    return sql`(m.status = 'processed' or (m.status in ('routed', 'failed') and ${hasSucceeded}))`;
  }
  if (status === 'routed' || status === 'failed') return sql`(m.status = ${status} and not ${hasSucceeded})`;
  return sql`m.status = ${status}`;
}

/** When the first delivery of `inbound_messages m` succeeded; null where the row itself says all. */
export const processedAt = sql<Date | null>`(case when m.status in ('routed', 'failed') then
  (select min(s.finished_at) ${fromSucceeded}) end)`.as('processed_at');

/** A message as it is, of a row and `processedAt`. */
export function withStatus<Row extends Pick<Selectable<InboundMessagesTable>, 'status' | 'error' | 'updated_at'>>(
  row: Row & { readonly processed_at: Date | null },
): Row {
  const { processed_at: at } = row;
  if (at === null) return row;
  return { ...row, status: 'processed', error: null, updated_at: at > row.updated_at ? at : row.updated_at };
}

/** Messages of a tenant as they are, to narrow further; `withStatus` completes each. */
export function selectMessages(db: Kysely<Database>, tenantId: string) {
  return db.selectFrom('inbound_messages as m').selectAll('m').select(processedAt).where('m.tenant_id', '=', tenantId);
}

/** Writes into the messages' own rows what deliveries say of them, before these go. */
export async function keepMessageStatus(
  trx: Transaction<Database>,
  tenantId: string,
  deliveryIds: readonly string[],
): Promise<void> {
  if (deliveryIds.length === 0) return;
  // Two looks by key, each of no more rows than ids: as one join it became a scan of all messages.
  const { rows } = await sql<{ message_id: string }>`
    select message_id from deliveries where tenant_id = ${tenantId} and id = any(${[...deliveryIds]}::uuid[])
      and state = 'succeeded' and not outdated`.execute(trx);
  await sql`update inbound_messages set status = 'processed', error = null
    where tenant_id = ${tenantId} and id = any(${rows.map((row) => row.message_id)}::uuid[])
      and status in ('routed', 'failed')`.execute(trx);
}
