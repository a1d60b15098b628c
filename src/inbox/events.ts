import type { Kysely, Selectable } from 'kysely';
import { toPage, type Page, type PageQuery } from '../db/page.ts';
import type { Database, EventOutcome, EventsTable } from '../db/schema.ts';
import { notFound } from '../lib/errors.ts';

export type Event = Selectable<EventsTable>;
/** An event without its heavy half: headers and body. */
export type EventSummary = Omit<Event, 'headers' | 'body'>;

const summary = [
  'tenant_id',
  'id',
  'channel_id',
  'provider',
  'received_at',
  'method',
  'url',
  'outcome',
  'reason',
  'ignored',
  'delivery_id',
] as const;

export interface EventFilter extends PageQuery {
  readonly channelId?: string | undefined;
  readonly outcome?: EventOutcome | undefined;
}

export async function listEvents(
  db: Kysely<Database>,
  tenantId: string,
  filter: EventFilter,
): Promise<Page<EventSummary>> {
  const rows = await db
    .selectFrom('events')
    .select(summary)
    .where('tenant_id', '=', tenantId)
    .$if(filter.channelId !== undefined, (query) => query.where('channel_id', '=', filter.channelId as string))
    .$if(filter.outcome !== undefined, (query) => query.where('outcome', '=', filter.outcome as EventOutcome))
    .$if(filter.cursor !== undefined, (query) => query.where('id', '<', filter.cursor as string))
    .orderBy('id', 'desc')
    .limit(filter.limit + 1)
    .execute();
  return toPage(rows, filter.limit, (row) => row);
}

/** The event, or undefined where retention has dropped it. */
export async function findEvent(db: Kysely<Database>, tenantId: string, id: string): Promise<Event | undefined> {
  return await db
    .selectFrom('events')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .executeTakeFirst();
}

/** @throws PostroomError `not_found`. */
export async function getEvent(db: Kysely<Database>, tenantId: string, id: string): Promise<Event> {
  const row = await findEvent(db, tenantId, id);
  if (!row) throw notFound('event', ['path', 'eventId']);
  return row;
}

/** The event's summary, or undefined where retention has dropped it. */
export async function findEventSummary(
  db: Kysely<Database>,
  tenantId: string,
  id: string,
): Promise<EventSummary | undefined> {
  return await db
    .selectFrom('events')
    .select(summary)
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .executeTakeFirst();
}
