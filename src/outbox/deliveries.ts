import type { Kysely, Selectable } from 'kysely';
import { toPage, type Page, type PageQuery } from '../db/page.ts';
import type { AttemptsTable, Database, DeliveriesTable, DeliveryState } from '../db/schema.ts';
import { conflict, notFound } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';

export type Delivery = Selectable<DeliveriesTable>;
export type Attempt = Selectable<AttemptsTable>;

export interface DeliveryFilter extends PageQuery {
  readonly state?: DeliveryState | undefined;
  readonly targetId?: string | undefined;
  readonly routeId?: string | undefined;
  readonly messageId?: string | undefined;
}

export async function listDeliveries(
  db: Kysely<Database>,
  tenantId: string,
  filter: DeliveryFilter,
): Promise<Page<Delivery>> {
  const rows = await db
    .selectFrom('deliveries')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .$if(filter.state !== undefined, (query) => query.where('state', '=', filter.state as DeliveryState))
    .$if(filter.targetId !== undefined, (query) => query.where('target_id', '=', filter.targetId as string))
    .$if(filter.routeId !== undefined, (query) => query.where('route_id', '=', filter.routeId as string))
    .$if(filter.messageId !== undefined, (query) => query.where('message_id', '=', filter.messageId as string))
    .$if(filter.cursor !== undefined, (query) => query.where('id', '<', filter.cursor as string))
    .orderBy('id', 'desc')
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
  const delivery = await db
    .selectFrom('deliveries')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .executeTakeFirst();
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
  return await db
    .selectFrom('deliveries')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('message_id', '=', messageId)
    .orderBy('id')
    .execute();
}

/**
 * Repeats a delivery that has ended: a new delivery with an id of its own, so that no dedupe at the
 * target swallows it.
 *
 * @throws PostroomError `not_found`, or `conflict` where it has not ended: it will still run by itself.
 */
export async function replayDelivery(db: Kysely<Database>, tenantId: string, id: string): Promise<Delivery> {
  const { delivery } = await getDelivery(db, tenantId, id);
  if (!['succeeded', 'dead', 'cancelled'].includes(delivery.state)) {
    throw conflict(`the delivery is ${delivery.state}: it has not ended yet`, ['path', 'deliveryId']);
  }
  return await db
    .insertInto('deliveries')
    .values({
      tenant_id: tenantId,
      id: newId(),
      message_id: delivery.message_id,
      route_id: delivery.route_id,
      target_id: delivery.target_id,
      handler_kind: delivery.handler_kind,
      replay_of: delivery.id,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}
