import type { Selectable } from 'kysely';
import { isoOf } from '../lib/iso-time.ts';
import type { InboundMessagesTable } from './schema.ts';

/** What `showMessage` shows, by column. */
export const viewColumns = [
  'id',
  'tenant_id',
  'channel',
  'channel_message_id',
  'channel_thread_id',
  'external_identity',
  'text',
  'attachments',
  'channel_metadata',
  'idempotency_key',
  'status',
  'trust_level',
  'user_id',
  'route_target',
  'route_target_id',
  'error',
  'created_at',
  'updated_at',
  'event_id',
  'channel_id',
  'endpoint_id',
  'route_id',
  'display_name',
  'recipient',
  'sent_at',
  'vouched',
] as const satisfies readonly (keyof InboundMessagesTable)[];

/**
 * A message as the API answers it and as a target receives it: the contract's fields, and ours
 * beyond them at the end.
 */
export function showMessage(row: Pick<Selectable<InboundMessagesTable>, (typeof viewColumns)[number]>) {
  return {
    id: row.id,
    tenantId: row.tenant_id,
    channel: row.channel,
    channelMessageId: row.channel_message_id,
    channelThreadId: row.channel_thread_id,
    externalIdentity: row.external_identity,
    text: row.text,
    attachments: row.attachments,
    channelMetadata: row.channel_metadata,
    idempotencyKey: row.idempotency_key,
    status: row.status,
    trustLevel: row.trust_level,
    userId: row.user_id,
    routeTarget: row.route_target,
    routeTargetId: row.route_target_id,
    // The chat that a message becomes part of is the chat_reply handler's, which is not here yet.
    chatThreadId: null,
    chatTurnId: null,
    error: row.error as Record<string, unknown> | null,
    createdAt: isoOf(row.created_at),
    updatedAt: isoOf(row.updated_at),
    eventId: row.event_id,
    channelId: row.channel_id,
    endpointId: row.endpoint_id,
    routeId: row.route_id,
    displayName: row.display_name,
    recipient: row.recipient,
    sentAt: row.sent_at ? isoOf(row.sent_at) : null,
    vouched: row.vouched,
  };
}

export type MessageView = ReturnType<typeof showMessage>;
