import type { Kysely, Selectable } from 'kysely';
import type { Database, InboundMessagesTable, MessageStatus } from '../db/schema.ts';
import { notFound } from '../lib/errors.ts';

export type InboundMessage = Selectable<InboundMessagesTable>;

export interface MessageFilter {
  /** Undefined: all. A word that is no status finds nothing. */
  readonly status?: string | undefined;
  readonly limit: number;
  readonly offset: number;
}

/** Messages of a tenant, newest first. */
export async function listMessages(
  db: Kysely<Database>,
  tenantId: string,
  filter: MessageFilter,
): Promise<InboundMessage[]> {
  return await db
    .selectFrom('inbound_messages')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .$if(filter.status !== undefined, (query) => query.where('status', '=', filter.status as MessageStatus))
    .orderBy('id', 'desc')
    .limit(filter.limit)
    .offset(filter.offset)
    .execute();
}

/** @throws PostroomError `not_found`. */
export async function getMessage(db: Kysely<Database>, tenantId: string, id: string): Promise<InboundMessage> {
  const row = await db
    .selectFrom('inbound_messages')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .executeTakeFirst();
  if (!row) throw notFound('message', ['path', 'message_id']);
  return row;
}
