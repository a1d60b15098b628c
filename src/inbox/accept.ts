import { createHash } from 'node:crypto';
import { sql, type Kysely } from 'kysely';
import type { Database, EventOutcome } from '../db/schema.ts';
import { createBatcher, isRowFault, type Batcher } from '../lib/batcher.ts';
import { messageOf } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import { storableJson, storableText } from '../lib/storable.ts';
import type { Ignored, ParsedMessage } from '../provider.ts';

/** One verified webhook request, with what was read from it. */
export interface Arrival {
  readonly tenantId: string;
  readonly channelId: string;
  readonly provider: string;
  readonly receivedAt: Date;
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
  readonly deliveryId: string | null;
  readonly messages: readonly ParsedMessage[];
  readonly ignored: readonly Ignored[];
  /** Why it could not be read; null where it could. */
  readonly unparsedReason: string | null;
}

export interface Receipt {
  readonly eventId: string;
  readonly outcome: EventOutcome;
  /** Ids of the messages that are new. The others were here before. */
  readonly messageIds: readonly string[];
  readonly duplicates: number;
}

export interface Inbox {
  /** Resolves once the event, its messages and the dedupe are durable. Only then say 2xx. */
  accept(arrival: Arrival): Promise<Receipt>;
  drain(): Promise<void>;
}

export interface InboxOptions {
  /** Called after each commit that brought messages, to wake the router. */
  onBooked: () => void;
  onFlush?: (items: number) => void;
}

interface Booking {
  readonly arrival: Arrival;
  readonly eventId: string;
  readonly eventJson: string;
  readonly rows: readonly MessageRow[];
}

interface MessageRow {
  readonly id: string;
  /** Tenant and key: rows go in sorted by it, so that batches with the same keys cannot deadlock. */
  readonly sortKey: string;
  readonly json: string;
}

/**
 * The inbox of one process. Arrivals are committed in groups: one statement, one round trip; a
 * further group starts beside one that takes long. A row that PostgreSQL refuses fails alone, and
 * its event is then kept without its messages as `unparsed`, so that a verified webhook is never
 * thrown away.
 */
export function createInbox(db: Kysely<Database>, options: InboxOptions): Inbox {
  const batcher: Batcher<Booking, Receipt> = createBatcher<Booking, Receipt>({
    flush: async (bookings) => {
      const receipts = await book(db, bookings);
      if (receipts.some((receipt) => receipt.messageIds.length > 0)) options.onBooked();
      return receipts;
    },
    writers: 3,
    patienceMs: 10,
    maxItems: 500,
    sizeOf: (booking) => booking.arrival.body.byteLength,
    maxBytes: 4 * 1024 * 1024,
    maxQueuedItems: 5_000,
    maxQueuedBytes: 256 * 1024 * 1024,
    ...(options.onFlush ? { onFlush: options.onFlush } : {}),
  });

  return {
    async accept(arrival) {
      try {
        return await batcher.add(prepare(arrival));
      } catch (error) {
        const unstorable = isRowFault(error) || error instanceof RangeError;
        if (!unstorable || arrival.messages.length === 0) throw error;
        const reason = `unstorable: ${messageOf(error)}`;
        return await batcher.add(prepare({ ...arrival, messages: [], unparsedReason: reason }));
      }
    },
    drain: () => batcher.drain(),
  };
}

function prepare(arrival: Arrival): Booking {
  const eventId = newId();
  const rows = arrival.messages.map((message) => prepareMessage(arrival, eventId, message));
  const eventJson = storableJson({
    tenant_id: arrival.tenantId,
    id: eventId,
    channel_id: arrival.channelId,
    provider: arrival.provider,
    received_at: arrival.receivedAt,
    method: arrival.method,
    url: arrival.url,
    headers: arrival.headers,
    outcome: arrival.unparsedReason !== null ? 'unparsed' : rows.length > 0 ? 'accepted' : 'ignored',
    reason: arrival.unparsedReason ?? (rows.length > 0 ? null : (arrival.ignored[0]?.reason ?? 'empty')),
    ignored: arrival.ignored,
    delivery_id: arrival.deliveryId,
  });
  return { arrival, eventId, eventJson, rows };
}

function prepareMessage(arrival: Arrival, eventId: string, message: ParsedMessage): MessageRow {
  const id = newId();
  const key = idempotencyKey(arrival.channelId, message.dedupeKey);
  const json = storableJson({
    tenant_id: arrival.tenantId,
    id,
    event_id: eventId,
    channel_id: arrival.channelId,
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
    created_at: arrival.receivedAt,
  });
  return { id, sortKey: `${arrival.tenantId}:${key}`, json };
}

/** Channel and the provider's message id; a long one is hashed, because an index entry has a limit. */
function idempotencyKey(channelId: string, dedupeKey: string): string {
  const key = storableText(dedupeKey);
  if (key.length <= 200) return `${channelId}:${key}`;
  return `${channelId}:sha256:${createHash('sha256').update(key).digest('hex')}`;
}

/**
 * Writes a group in one statement. Its messages share one number in the order of arrival: rows go in
 * sorted by their keys, and within the group the ids are in order. Bodies travel as one bytea, cut up by size inside PostgreSQL, so
 * that the statement is the same for every batch. An event whose messages were all here before is
 * kept as `duplicate`.
 */
async function book(db: Kysely<Database>, bookings: readonly Booking[]): Promise<Receipt[]> {
  const rows = bookings.flatMap((booking) => booking.rows);
  if (rows.length > 1) rows.sort((a, b) => (a.sortKey < b.sortKey ? -1 : a.sortKey > b.sortKey ? 1 : 0));
  let start = 0;
  const located = bookings.map(({ arrival, eventJson }) => {
    const json = `{"start":${start},"size":${arrival.body.byteLength},${eventJson.slice(1)}`;
    start += arrival.body.byteLength;
    return json;
  });
  const events = `[${located.join(',')}]`;
  const messages = `[${rows.map((row) => row.json).join(',')}]`;
  const bodies =
    bookings.length === 1
      ? (bookings[0] as Booking).arrival.body
      : Buffer.concat(bookings.map((booking) => booking.arrival.body));

  const result = await sql<{ id: string; event_id: string }>`/* prepare book_arrivals */
    with arrived as (
      select * from json_to_recordset(${events}::json) as e(
        tenant_id uuid, id uuid, channel_id uuid, provider text, received_at timestamptz, method text,
        url text, headers json, start int, size int, outcome text, reason text, ignored json, delivery_id text)
    ), turn as materialized (
      select nextval('arrivals') as arrival
    ), booked as (
      insert into inbound_messages (
        tenant_id, id, event_id, channel_id, channel, idempotency_key, external_identity, display_name,
        recipient, text, channel_message_id, channel_thread_id, attachments, channel_metadata, sent_at,
        vouched, created_at, updated_at, arrival)
      select tenant_id, id, event_id, channel_id, channel, idempotency_key, external_identity, display_name,
        recipient, text, channel_message_id, channel_thread_id, attachments, channel_metadata, sent_at,
        vouched, created_at, created_at,
        (select arrival from turn)
      from json_to_recordset(${messages}::json) as m(
        tenant_id uuid, id uuid, event_id uuid, channel_id uuid, channel text, idempotency_key text,
        external_identity text, display_name text, recipient text, text text, channel_message_id text,
        channel_thread_id text, attachments jsonb, channel_metadata jsonb, sent_at timestamptz,
        vouched boolean, created_at timestamptz)
      on conflict (tenant_id, idempotency_key) do nothing
      returning id, event_id
    ), logged as (
      insert into events (
        tenant_id, id, channel_id, provider, received_at, method, url, headers, body, outcome, reason,
        ignored, delivery_id)
      select tenant_id, id, channel_id, provider, received_at, method, url, headers,
        substring(${bodies}::bytea from start + 1 for size),
        case when outcome = 'accepted' and not exists (select from booked where event_id = arrived.id)
          then 'duplicate' else outcome end,
        reason, ignored, delivery_id
      from arrived
    )
    select id, event_id from booked`.execute(db);

  const booked = new Map<string, string[]>();
  for (const { id, event_id } of result.rows) {
    const ids = booked.get(event_id);
    if (ids) ids.push(id);
    else booked.set(event_id, [id]);
  }
  return bookings.map(({ arrival, eventId, rows: wanted }) => {
    const messageIds = booked.get(eventId) ?? [];
    const outcome =
      arrival.unparsedReason !== null
        ? 'unparsed'
        : wanted.length === 0
          ? 'ignored'
          : messageIds.length === 0
            ? 'duplicate'
            : 'accepted';
    return { eventId, outcome, messageIds, duplicates: wanted.length - messageIds.length };
  });
}
