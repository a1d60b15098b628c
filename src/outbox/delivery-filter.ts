import { sql, type Kysely, type RawBuilder } from 'kysely';
import { z } from 'zod';
import { madeWithin, timeRange } from '../db/made-within.ts';
import { all, countRows, withinSlice, type BoundedCount, type Slice } from '../db/slices.ts';
import type { Database, DeliveryState } from '../db/schema.ts';
import { isInLane } from './to-run.ts';

export const deliveryStates = ['pending', 'running', 'awaiting', 'succeeded', 'dead', 'cancelled'] as const;
/** Those in which nothing more happens to a delivery. */
export const endedStates = ['succeeded', 'dead', 'cancelled'] as const;

const shared = {
  targetId: z.uuid().optional(),
  routeId: z.uuid().optional(),
  messageId: z.uuid().optional(),
  /** Of the channel that its message came by. */
  provider: z.string().min(1).max(100).optional(),
  /** The code of its error, such as `target_refused`. */
  reason: z.string().min(1).max(100).optional(),
  handlerKind: z.string().min(1).max(100).optional(),
  ...timeRange,
};

/** What a list of deliveries can be narrowed to. */
export const deliveryFilter = z.strictObject({ state: z.enum(deliveryStates).optional(), ...shared });

/**
 * Deliveries to repeat or to remove. Strict, because a filter with a word that nobody understands
 * would find too many.
 */
export const endedFilter = z.strictObject({
  state: z.enum(endedStates).default('dead'),
  ...shared,
  /** Whether it has a replay that has not failed. */
  replayed: z.boolean().optional(),
});
export type EndedFilter = z.output<typeof endedFilter>;
export type DeliveryConditions = z.output<typeof deliveryFilter> & { readonly replayed?: boolean | undefined };

/** What a state says in the words of the indexes. */
const indexOf: Record<DeliveryState, RawBuilder<unknown>[]> = {
  pending: [sql`d.finished_at is null`],
  running: [isInLane],
  awaiting: [sql`d.finished_at is null and d.on_deadline is not null`],
  succeeded: [],
  dead: [sql`d.finished_at is not null and d.error is not null`],
  cancelled: [sql`d.finished_at is not null and d.error is not null`],
};

/** The conditions of a filter, on `deliveries as d`. */
export function deliveryConditions(tenantId: string, filter: DeliveryConditions): RawBuilder<unknown>[] {
  const { state, targetId, routeId, messageId, provider, reason, handlerKind, replayed } = filter;
  const replays = sql`exists (select from deliveries r where r.tenant_id = d.tenant_id
    and r.message_id = d.message_id and r.replay_of = d.id and r.state not in ('dead', 'cancelled'))`;
  return [
    sql`d.tenant_id = ${tenantId}::uuid`,
    ...(state === undefined ? [] : [sql`d.state = ${state}`, ...indexOf[state]]),
    ...(targetId === undefined ? [] : [sql`d.target_id = ${targetId}::uuid`]),
    ...(routeId === undefined ? [] : [sql`d.route_id = ${routeId}::uuid`]),
    ...(messageId === undefined ? [] : [sql`d.message_id = ${messageId}::uuid`]),
    ...(provider === undefined
      ? []
      : [
          sql`d.channel_id = any(array(select c.id from channels c
            where c.tenant_id = ${tenantId}::uuid and c.provider = ${provider}))`,
        ]),
    ...(reason === undefined ? [] : [sql`d.error->>'code' = ${reason}`]),
    ...(handlerKind === undefined ? [] : [sql`d.handler_kind = ${handlerKind}`]),
    ...madeWithin('d.id', 'd.created_at', filter),
    ...(replayed === undefined ? [] : [replayed ? replays : sql`not ${replays}`]),
  ];
}

export async function countDeliveries(
  db: Kysely<Database>,
  tenantId: string,
  filter: DeliveryConditions,
  upTo: string | null,
): Promise<BoundedCount> {
  const conditions = [...deliveryConditions(tenantId, filter), ...withinSlice('d.id', { after: null, upTo })];
  return await countRows(db, sql`deliveries d where ${all(conditions)}`);
}

/** The conditions of a slice of what a filter finds. A job never takes up what it has made itself. */
export function sliceOfDeliveries(
  tenantId: string,
  filter: DeliveryConditions,
  slice: Pick<Slice, 'after' | 'upTo'>,
  jobId: string,
): RawBuilder<boolean> {
  return all([
    ...deliveryConditions(tenantId, filter),
    ...withinSlice('d.id', slice),
    sql`d.job_id is distinct from ${jobId}::uuid`,
  ]);
}
