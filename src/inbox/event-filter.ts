import { sql, type Kysely, type RawBuilder } from 'kysely';
import { z } from 'zod';
import { madeWithin, timeRange } from '../db/made-within.ts';
import { all, countRows, withinSlice, type BoundedCount, type Slice } from '../db/slices.ts';
import type { Database } from '../db/schema.ts';
import type { Event } from './events.ts';

export const eventOutcomes = ['accepted', 'duplicate', 'ignored', 'unparsed'] as const;

/** Events to parse again. Strict, because a word that nobody understands would find too many. */
export const eventFilter = z.strictObject({
  /** Where neither this nor `ids` is given: `unparsed`. */
  outcome: z.enum(eventOutcomes).optional(),
  channelId: z.uuid().optional(),
  provider: z.string().min(1).max(100).optional(),
  ids: z.array(z.uuid()).min(1).max(1_000).optional(),
  ...timeRange,
});
export type EventFilter = z.output<typeof eventFilter>;

/** How many bytes of bodies are taken at a time; an event that is larger comes alone. */
const maxBytes = 16 * 1024 * 1024;

function conditionsOf(tenantId: string, filter: EventFilter, slice: Pick<Slice, 'after' | 'upTo'>) {
  const outcome = filter.outcome ?? (filter.ids === undefined ? 'unparsed' : undefined);
  const { channelId, provider, ids } = filter;
  const conditions: RawBuilder<unknown>[] = [
    sql`e.tenant_id = ${tenantId}::uuid`,
    ...(outcome === undefined ? [] : [sql`e.outcome = ${outcome}`]),
    ...(channelId === undefined ? [] : [sql`e.channel_id = ${channelId}::uuid`]),
    ...(provider === undefined ? [] : [sql`e.provider = ${provider}`]),
    ...(ids === undefined ? [] : [sql`e.id = any(${ids}::uuid[])`]),
    ...madeWithin('e.id', 'e.received_at', filter),
    ...withinSlice('e.id', slice),
  ];
  return all(conditions);
}

export async function countEvents(
  db: Kysely<Database>,
  tenantId: string,
  filter: EventFilter,
  upTo: string | null,
): Promise<BoundedCount> {
  return await countRows(db, sql`events e where ${conditionsOf(tenantId, filter, { after: null, upTo })}`);
}

export interface EventSlice {
  /** Oldest first. */
  readonly events: readonly Event[];
  /** Nothing follows. */
  readonly isLast: boolean;
}

/** The next events that a filter finds, no more than fit into memory side by side. */
export async function takeEvents(
  db: Kysely<Database>,
  tenantId: string,
  filter: EventFilter,
  slice: Slice,
): Promise<EventSlice> {
  const { rows } = await sql<{ id: string; fits: boolean }>`
    select id, sum(size) over (order by id) - size < ${maxBytes}::int as fits
    from (select e.id, octet_length(e.body) as size from events e
      where ${conditionsOf(tenantId, filter, slice)} order by e.id limit ${slice.limit}::int) found
    order by id`.execute(db);
  const ids = rows.filter((row) => row.fits).map((row) => row.id);
  const isLast = rows.length < slice.limit && ids.length === rows.length;
  if (ids.length === 0) return { events: [], isLast: true };
  const events = await db
    .selectFrom('events')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('id', 'in', ids)
    .orderBy('id')
    .execute();
  return { events, isLast };
}
