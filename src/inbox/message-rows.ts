import { createHash } from 'node:crypto';
import { sql, type RawBuilder } from 'kysely';
import { newId } from '../lib/ids.ts';
import { storableJson, storableText } from '../lib/storable.ts';
import type { ParsedMessage } from '../provider.ts';

/** A message on its way into the table: its own id, and what it will be known again by. */
export interface MessageRow {
  readonly id: string;
  readonly key: string;
  /** Tenant and key: rows go in sorted by it, so that batches with the same keys cannot deadlock. */
  readonly sortKey: string;
  readonly json: string;
}

/** The event that a message came out of. */
export interface Origin {
  readonly tenantId: string;
  readonly channelId: string;
  readonly eventId: string;
  /** When the message counts as created. */
  readonly createdAt: Date;
  /** The trace that the message's way belongs to, where it is traced. */
  readonly traceparent?: string | null | undefined;
}

export function prepareMessage(origin: Origin, message: ParsedMessage): MessageRow {
  const id = newId();
  const key = idempotencyKey(origin.channelId, message.dedupeKey);
  const json = storableJson({
    tenant_id: origin.tenantId,
    id,
    event_id: origin.eventId,
    channel_id: origin.channelId,
    channel: message.channel,
    idempotency_key: key,
    external_identity: message.externalIdentity,
    display_name: message.displayName,
    recipient: message.recipient,
    text: message.text,
    channel_message_id: message.channelMessageId,
    channel_thread_id: message.channelThreadId,
    attachments: message.attachments,
    channel_metadata: message.channelMetadata,
    sent_at: message.sentAt,
    vouched: message.vouched,
    created_at: origin.createdAt,
    traceparent: origin.traceparent ?? undefined,
  });
  return { id, key, sortKey: `${origin.tenantId}:${key}`, json };
}

/** Channel and the provider's message id; a long one is hashed, because an index entry has a limit. */
function idempotencyKey(channelId: string, dedupeKey: string): string {
  const key = storableText(dedupeKey);
  if (key.length <= 200) return `${channelId}:${key}`;
  return `${channelId}:sha256:${createHash('sha256').update(key).digest('hex')}`;
}

/**
 * The part of a statement that books messages, as two expressions for its `with`: `turn`, and
 * `booked` with the ids of those that are new. The messages share one number in the order of
 * arrival, because rows go in sorted by their keys; within the group the ids are in order.
 */
export function bookMessages(rows: readonly MessageRow[]): RawBuilder<unknown> {
  const sorted =
    rows.length > 1 ? rows.toSorted((a, b) => (a.sortKey < b.sortKey ? -1 : a.sortKey > b.sortKey ? 1 : 0)) : rows;
  const messages = `[${sorted.map((row) => row.json).join(',')}]`;
  return sql`turn as materialized (
      select nextval('arrivals') as arrival
    ), booked as (
      insert into inbound_messages (
        tenant_id, id, event_id, channel_id, channel, idempotency_key, external_identity, display_name,
        recipient, text, channel_message_id, channel_thread_id, attachments, channel_metadata, sent_at,
        vouched, created_at, updated_at, traceparent, arrival)
      select tenant_id, id, event_id, channel_id, channel, idempotency_key, external_identity, display_name,
        recipient, text, channel_message_id, channel_thread_id, attachments, channel_metadata, sent_at,
        vouched, created_at, created_at, traceparent,
        (select arrival from turn)
      from json_to_recordset(${messages}::json) as m(
        tenant_id uuid, id uuid, event_id uuid, channel_id uuid, channel text, idempotency_key text,
        external_identity text, display_name text, recipient text, text text, channel_message_id text,
        channel_thread_id text, attachments jsonb, channel_metadata jsonb, sent_at timestamptz,
        vouched boolean, created_at timestamptz, traceparent text)
      on conflict (tenant_id, idempotency_key) do nothing
      returning id, event_id
    )`;
}
