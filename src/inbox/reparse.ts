import { sql, type Kysely, type Transaction } from 'kysely';
import type { Database, EventOutcome } from '../db/schema.ts';
import { isRowFault } from '../lib/batcher.ts';
import { messageOf } from '../lib/errors.ts';
import type { Sealer } from '../lib/sealing.ts';
import { storableJson } from '../lib/storable.ts';
import type { Ignored, Parsed, Provider } from '../provider.ts';
import { liveSecrets, openSecrets } from './channel-secrets.ts';
import type { Event } from './events.ts';
import { bookMessages, prepareMessage, type MessageRow } from './message-rows.ts';
import { completeSecrets } from './provider-secrets.ts';
import { readRequest, type AnyChannel, type Reading } from './read-request.ts';

/** What reading stored requests again works with. */
export interface ReparseContext {
  readonly sealer: Sealer;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly now: () => Date;
}

/** What an event would be, read by today's code and settings. */
export interface Reparsed {
  readonly event: Event;
  readonly outcome: EventOutcome;
  /** Why it is unparsed or ignored; null where it is neither. */
  readonly reason: string | null;
  readonly ignored: readonly Ignored[];
  readonly deliveryId: string | null;
  /** How many messages it holds, new or not. */
  readonly messages: number;
  /** Those that are not here yet. */
  readonly fresh: readonly MessageRow[];
  /** A message of it is here already, and came out of this very event. */
  readonly hasOwn: boolean;
}

/**
 * Reads stored requests again, and says what would become of them. Nothing is written.
 *
 * @param seen keys of messages that an earlier event of the same run would bring; added to.
 */
export async function reparseEvents(
  db: Kysely<Database>,
  context: ReparseContext,
  tenantId: string,
  events: readonly Event[],
  seen = new Set<string>(),
): Promise<Reparsed[]> {
  const channels = await loadChannels(db, context, tenantId, events);
  const read: { event: Event; reading: Reading; rows: readonly MessageRow[] }[] = [];
  for (const event of events) read.push(await readEvent(context, event, channels.get(event.channel_id)));
  const keys = read.flatMap(({ rows }) => rows.map((row) => row.key));
  const known = await findKnown(db, tenantId, keys);

  return read.map(({ event, reading, rows }) => {
    const fresh: MessageRow[] = [];
    for (const row of rows) {
      if (known.has(row.key) || seen.has(row.key)) continue;
      seen.add(row.key);
      fresh.push(row);
    }
    const hasOwn = rows.some((row) => known.get(row.key) === event.id);
    return judge({ event, hasOwn, messages: rows.length, fresh }, reading);
  });
}

type Found = Pick<Reparsed, 'event' | 'hasOwn' | 'messages' | 'fresh'>;

function judge(found: Found, { parsed, unparsedReason }: Reading): Reparsed {
  const { ignored, deliveryId } = parsed;
  const rest = { ...found, ignored, deliveryId };
  if (unparsedReason !== null) return { ...rest, outcome: 'unparsed', reason: unparsedReason };
  if (found.messages === 0) return { ...rest, outcome: 'ignored', reason: ignored[0]?.reason ?? 'empty' };
  return { ...rest, outcome: found.hasOwn || found.fresh.length > 0 ? 'accepted' : 'duplicate', reason: null };
}

interface ReadableChannel {
  readonly provider: Provider | undefined;
  readonly channel: AnyChannel;
}

/** The channels of events, with their settings and secrets as they are now. */
async function loadChannels(
  db: Kysely<Database>,
  context: ReparseContext,
  tenantId: string,
  events: readonly Event[],
): Promise<Map<string, ReadableChannel>> {
  if (events.length === 0) return new Map();
  const rows = await db
    .selectFrom('channels')
    .select(['id', 'provider', 'settings', 'secrets', 'status'])
    .where('tenant_id', '=', tenantId)
    .where('id', 'in', [...new Set(events.map((event) => event.channel_id))])
    .execute();
  return new Map(
    rows.map((row) => {
      const provider = context.providers.get(row.provider);
      // A deleted channel has no secrets any more; most requests can be read without.
      const stored = row.status === 'deleted' ? {} : openSecrets(context.sealer, tenantId, row.id, row.secrets);
      const live = liveSecrets(stored, context.now());
      const secrets = provider ? completeSecrets(provider, live) : live;
      return [row.id, { provider, channel: { secrets, settings: row.settings } }];
    }),
  );
}

async function readEvent(
  context: ReparseContext,
  event: Event,
  readable: ReadableChannel | undefined,
): Promise<{ event: Event; reading: Reading; rows: readonly MessageRow[] }> {
  if (!readable?.provider) return unreadable(event, `the provider ${event.provider} is not installed`);
  const { method, url, body } = event;
  const request = { method, url, headers: new Headers(event.headers), body };
  const reading = await readRequest(readable.provider, request, readable.channel);
  const origin = {
    tenantId: event.tenant_id,
    channelId: event.channel_id,
    eventId: event.id,
    createdAt: context.now(),
  };
  try {
    return { event, reading, rows: reading.parsed.messages.map((message) => prepareMessage(origin, message)) };
  } catch (error) {
    return unreadable(event, `unstorable: ${messageOf(error)}`);
  }
}

const nothing: Parsed = { deliveryId: null, messages: [], ignored: [] };

function unreadable(event: Event, unparsedReason: string) {
  return { event, reading: { parsed: nothing, unparsedReason }, rows: [] };
}

/** Which of these keys are here, each with the event that brought its message. */
async function findKnown(
  db: Kysely<Database>,
  tenantId: string,
  keys: readonly string[],
): Promise<Map<string, string>> {
  if (keys.length === 0) return new Map();
  const { rows } = await sql<{ key: string; event_id: string }>`
    select idempotency_key as key, event_id from inbound_messages
    where tenant_id = ${tenantId} and idempotency_key = any(${[...new Set(keys)]}::text[])`.execute(db);
  return new Map(rows.map((row) => [row.key, row.event_id]));
}

/**
 * Books what reading again has brought: messages that are new, and what the events are now.
 *
 * @returns how many events are not what they were, and how many messages are new.
 */
export async function bookReparsed(
  trx: Transaction<Database>,
  tenantId: string,
  reparsed: readonly Reparsed[],
): Promise<{ changed: number; messages: number }> {
  const booked = await bookStorable(trx, reparsed);
  const changed = booked.filter(
    ({ after, messages }) =>
      messages > 0 || after.outcome !== after.event.outcome || after.reason !== after.event.reason,
  );
  await updateEvents(
    trx,
    tenantId,
    changed.map(({ after }) => after),
  );
  return { changed: changed.length, messages: booked.reduce((sum, { messages }) => sum + messages, 0) };
}

interface Booked {
  readonly after: Reparsed;
  readonly messages: number;
}

/**
 * Books the messages of all events in one sorted statement. Where PostgreSQL refuses a row the group
 * is halved down to it, and the event that brought it stays unparsed.
 */
async function bookStorable(trx: Transaction<Database>, reparsed: readonly Reparsed[]): Promise<Booked[]> {
  const rows = reparsed.flatMap(({ fresh }) => fresh);
  if (rows.length === 0) return reparsed.map((after) => ({ after, messages: 0 }));
  await sql`savepoint reparsed`.execute(trx);
  try {
    const { rows: made } = await sql<{ event_id: string }>`
      with ${bookMessages(rows)} select event_id from booked`.execute(trx);
    await sql`release savepoint reparsed`.execute(trx);
    return reparsed.map((one) => settle(one, made.filter((row) => row.event_id === one.event.id).length));
  } catch (error) {
    await sql`rollback to savepoint reparsed`.execute(trx);
    if (!isRowFault(error)) throw error;
    const [only] = reparsed;
    if (only && reparsed.length === 1) {
      const reason = `unstorable: ${messageOf(error)}`;
      return [{ after: { ...only, outcome: 'unparsed', reason }, messages: 0 }];
    }
    const middle = Math.ceil(reparsed.length / 2);
    const first = await bookStorable(trx, reparsed.slice(0, middle));
    return [...first, ...(await bookStorable(trx, reparsed.slice(middle)))];
  }
}

/** One whose messages all came in meanwhile, by another request, has become a duplicate. */
function settle(one: Reparsed, messages: number): Booked {
  const isLate = one.outcome === 'accepted' && !one.hasOwn && messages === 0;
  return { after: isLate ? { ...one, outcome: 'duplicate' } : one, messages };
}

async function updateEvents(
  trx: Transaction<Database>,
  tenantId: string,
  reparsed: readonly Reparsed[],
): Promise<void> {
  if (reparsed.length === 0) return;
  const rows = reparsed.map(({ event, outcome, reason, ignored, deliveryId }) => ({
    id: event.id,
    outcome,
    reason,
    ignored,
    delivery_id: deliveryId,
  }));
  await sql`
    update events e set outcome = r.outcome, reason = r.reason, ignored = r.ignored,
      delivery_id = coalesce(r.delivery_id, e.delivery_id)
    from json_to_recordset(${storableJson(rows)}::json)
      as r(id uuid, outcome text, reason text, ignored json, delivery_id text)
    where e.tenant_id = ${tenantId} and e.id = any(${rows.map((row) => row.id)}::uuid[]) and e.id = r.id`.execute(trx);
}
