import type { Kysely, Selectable, Transaction } from 'kysely';
import { dropHolds, lockKeys, releaseNext } from '../db/ordering-keys.ts';
import { toPage, type Page, type PageQuery } from '../db/page.ts';
import type { AttemptsTable, BreakerState, Database, DeliveriesTable, Status } from '../db/schema.ts';
import { all } from '../db/slices.ts';
import { conflict, notFound } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import { deliveryConditions, endedStates, type DeliveryConditions } from './delivery-filter.ts';

/** A delivery with as much of its target as it takes to say what it waits for. */
export type Delivery = Selectable<DeliveriesTable> & {
  readonly target_status: Status | null;
  readonly target_breaker: BreakerState | null;
};

/** Deliveries of a tenant, each with its target's state. */
function selectDeliveries(db: Kysely<Database>, tenantId: string) {
  return db
    .selectFrom('deliveries as d')
    .leftJoin('targets as t', (join) => join.onRef('t.tenant_id', '=', 'd.tenant_id').onRef('t.id', '=', 'd.target_id'))
    .selectAll('d')
    .select(['t.status as target_status', 't.breaker as target_breaker'])
    .where('d.tenant_id', '=', tenantId);
}

export type WaitingFor = 'time' | 'worker' | 'order' | 'target_paused' | 'target_breaker' | 'callback';

/** What a delivery that has not ended waits for; null where it runs, or has ended. */
export function waitingFor(delivery: Delivery, now: Date): WaitingFor | null {
  if (delivery.state === 'awaiting') return 'callback';
  if (delivery.state !== 'pending') return null;
  if (delivery.blocked) return 'order';
  if (delivery.target_status === 'paused') return 'target_paused';
  if (delivery.target_breaker === 'open' || delivery.target_breaker === 'half_open') return 'target_breaker';
  return delivery.run_at > now ? 'time' : 'worker';
}
export type Attempt = Selectable<AttemptsTable>;

export type DeliveryFilter = PageQuery & DeliveryConditions;

/** Deliveries that a filter finds, newest first. */
export async function listDeliveries(
  db: Kysely<Database>,
  tenantId: string,
  filter: DeliveryFilter,
): Promise<Page<Delivery>> {
  const rows = await selectDeliveries(db, tenantId)
    .where(all(deliveryConditions(tenantId, filter)))
    .$if(filter.cursor !== undefined, (query) => query.where('d.id', '<', filter.cursor as string))
    .orderBy('d.id', 'desc')
    .limit(filter.limit + 1)
    .execute();
  return toPage(rows, filter.limit, (row) => row);
}

/** A delivery with its attempts, first to last. @throws PostroomError `not_found`. */
export async function getDelivery(
  db: Kysely<Database>,
  tenantId: string,
  id: string,
): Promise<{ delivery: Delivery; attempts: Attempt[] }> {
  const delivery = await selectDeliveries(db, tenantId).where('d.id', '=', id).executeTakeFirst();
  if (!delivery) throw notFound('delivery', ['path', 'deliveryId']);
  return { delivery, attempts: await listAttempts(db, tenantId, [id]) };
}

export async function listAttempts(
  db: Kysely<Database>,
  tenantId: string,
  deliveryIds: readonly string[],
): Promise<Attempt[]> {
  if (deliveryIds.length === 0) return [];
  return await db
    .selectFrom('attempts')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('delivery_id', 'in', [...deliveryIds])
    .orderBy('fence')
    .execute();
}

/** The deliveries of a message, first to last; replays follow what they repeat. */
export async function listMessageDeliveries(
  db: Kysely<Database>,
  tenantId: string,
  messageId: string,
): Promise<Delivery[]> {
  return await selectDeliveries(db, tenantId).where('d.message_id', '=', messageId).orderBy('d.id').execute();
}

/**
 * Repeats a delivery that has ended: a new delivery with an id of its own, so that no dedupe at the
 * target swallows it. It goes to the same target, or to another one, which the caller has checked.
 *
 * @throws PostroomError `not_found`, or `conflict` where it has not ended: it will still run by itself.
 */
export async function replayDelivery(
  db: Kysely<Database>,
  tenantId: string,
  id: string,
  targetId?: string,
): Promise<Delivery> {
  const { delivery } = await getDelivery(db, tenantId, id);
  if (!(endedStates as readonly string[]).includes(delivery.state)) {
    throw conflict(`the delivery is ${delivery.state}: it has not ended yet`, ['path', 'deliveryId']);
  }
  const [replay] = await db.transaction().execute((trx) => insertReplays(trx, tenantId, [delivery], { targetId }));
  return (await getDelivery(db, tenantId, replay as string)).delivery;
}

/**
 * Makes replays of deliveries that have ended, each with an id of its own. Where order matters a
 * replay takes the place of what it repeats, and what held its key holds it no longer.
 *
 * @returns the replays' ids, in the order of the originals.
 */
export async function insertReplays(
  trx: Transaction<Database>,
  tenantId: string,
  originals: readonly Selectable<DeliveriesTable>[],
  options: { readonly targetId?: string | undefined; readonly jobId?: string | undefined },
): Promise<string[]> {
  if (originals.length === 0) return [];
  await lockKeys(trx, originals);
  const rows = originals.map((original) => ({
    tenant_id: tenantId,
    id: newId(),
    message_id: original.message_id,
    channel_id: original.channel_id,
    route_id: original.route_id,
    target_id: options.targetId ?? original.target_id,
    handler_kind: original.handler_kind,
    replay_of: original.id,
    job_id: options.jobId ?? null,
    ordering_key: original.ordering_key,
    seq: original.seq === null ? null : Number(original.seq),
    // The first of each key is let go below.
    blocked: original.ordering_key !== null,
  }));
  await trx.insertInto('deliveries').values(rows).execute();
  await dropHolds(
    trx,
    tenantId,
    originals.map((original) => original.id),
  );
  await releaseNext(trx, rows);
  return rows.map((row) => row.id);
}
