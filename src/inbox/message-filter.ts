import { sql, type Kysely, type RawBuilder } from 'kysely';
import { z } from 'zod';
import { madeWithin, timeRange } from '../db/made-within.ts';
import { hasMessageStatus, selectMessages, withStatus } from '../db/message-status.ts';
import { all, countRows, withinSlice, type BoundedCount, type Slice } from '../db/slices.ts';
import type { Database } from '../db/schema.ts';
import type { InboundMessage } from './messages.ts';

/** Those of messages that were decided; a `received` one waits for the router anyway. */
export const decidedStatuses = ['routed', 'processed', 'failed', 'unrouted', 'rejected'] as const;

/** Messages to decide again. Strict, because a word that nobody understands would find too many. */
export const messageFilter = z.strictObject({
  /** Where neither this nor `ids` is given: `unrouted`. */
  status: z.enum(decidedStatuses).optional(),
  channelId: z.uuid().optional(),
  routeId: z.uuid().optional(),
  ids: z.array(z.uuid()).min(1).max(1_000).optional(),
  ...timeRange,
});
export type MessageConditions = z.output<typeof messageFilter>;

function conditionsOf(tenantId: string, filter: MessageConditions, slice: Pick<Slice, 'after' | 'upTo'>) {
  const status = filter.status ?? (filter.ids === undefined ? 'unrouted' : undefined);
  const { channelId, routeId, ids } = filter;
  const conditions: RawBuilder<unknown>[] = [
    sql`m.tenant_id = ${tenantId}::uuid`,
    status === undefined ? sql`m.status <> 'received'` : hasMessageStatus(status),
    ...(channelId === undefined ? [] : [sql`m.channel_id = ${channelId}::uuid`]),
    ...(routeId === undefined ? [] : [sql`m.route_id = ${routeId}::uuid`]),
    ...(ids === undefined ? [] : [sql`m.id = any(${ids}::uuid[])`]),
    ...madeWithin('m.id', 'm.created_at', filter),
    ...withinSlice('m.id', slice),
  ];
  return all(conditions);
}

export async function countMessages(
  db: Kysely<Database>,
  tenantId: string,
  filter: MessageConditions,
  upTo: string | null,
): Promise<BoundedCount> {
  return await countRows(db, sql`inbound_messages m where ${conditionsOf(tenantId, filter, { after: null, upTo })}`);
}

/** The next messages that a filter finds, oldest first. */
export async function takeMessages(
  db: Kysely<Database>,
  tenantId: string,
  filter: MessageConditions,
  slice: Slice,
): Promise<InboundMessage[]> {
  const rows = await selectMessages(db, tenantId)
    .where(conditionsOf(tenantId, filter, slice))
    .orderBy('m.id')
    .limit(slice.limit)
    .execute();
  return rows.map(withStatus);
}
