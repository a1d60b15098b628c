import type { Kysely, Selectable } from 'kysely';
import { hasMessageStatus, selectMessages, withStatus } from '../db/message-status.ts';
import type { Database, InboundMessagesTable } from '../db/schema.ts';
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
  const rows = await selectMessages(db, tenantId)
    .$if(filter.status !== undefined, (query) => query.where(hasMessageStatus(filter.status ?? '')))
    .orderBy('m.id', 'desc')
    .limit(filter.limit)
    .offset(filter.offset)
    .execute();
  return rows.map(withStatus);
}

/** @throws PostroomError `not_found`. */
export async function getMessage(db: Kysely<Database>, tenantId: string, id: string): Promise<InboundMessage> {
  const row = await selectMessages(db, tenantId).where('m.id', '=', id).executeTakeFirst();
  if (!row) throw notFound('message', ['path', 'message_id']);
  return withStatus(row);
}
