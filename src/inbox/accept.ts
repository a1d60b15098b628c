import { sql, type Kysely } from 'kysely';
import type { Database, EventOutcome } from '../db/schema.ts';
import { createBatcher, isRowFault, type Batcher } from '../lib/batcher.ts';
import { messageOf } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import { storableJson } from '../lib/storable.ts';
import type { Ignored, ParsedMessage } from '../provider.ts';
import { bookMessages, prepareMessage, type MessageRow } from './message-rows.ts';

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
  /** The span that took it in, for those that carry it on; absent where nothing is traced. */
  readonly traceparent?: string | null;
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
  /** Arrivals that wait for a commit to begin. */
  readonly queued: number;
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
    get queued() {
      return batcher.queued;
    },
  };
}

function prepare(arrival: Arrival): Booking {
  const eventId = newId();
  const origin = {
    tenantId: arrival.tenantId,
    channelId: arrival.channelId,
    eventId,
    createdAt: arrival.receivedAt,
    traceparent: arrival.traceparent,
  };
  const rows = arrival.messages.map((message) => prepareMessage(origin, message));
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

/**
 * Writes a group in one statement. Bodies travel as one bytea, cut up by size inside PostgreSQL, so
 * that the statement is the same for every batch. An event whose messages were all here before is
 * kept as `duplicate`.
 */
async function book(db: Kysely<Database>, bookings: readonly Booking[]): Promise<Receipt[]> {
  const rows = bookings.flatMap((booking) => booking.rows);
  let start = 0;
  const located = bookings.map(({ arrival, eventJson }) => {
    const json = `{"start":${start},"size":${arrival.body.byteLength},${eventJson.slice(1)}`;
    start += arrival.body.byteLength;
    return json;
  });
  const events = `[${located.join(',')}]`;
  const bodies =
    bookings.length === 1
      ? (bookings[0] as Booking).arrival.body
      : Buffer.concat(bookings.map((booking) => booking.arrival.body));

  const result = await sql<{ id: string; event_id: string }>`/* prepare book_arrivals */
    with arrived as (
      select * from json_to_recordset(${events}::json) as e(
        tenant_id uuid, id uuid, channel_id uuid, provider text, received_at timestamptz, method text,
        url text, headers json, start int, size int, outcome text, reason text, ignored json, delivery_id text)
    ), ${bookMessages(rows)}, logged as (
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
