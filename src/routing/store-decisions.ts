import { sql, type Transaction } from 'kysely';
import { lockKeys } from '../db/ordering-keys.ts';
import type { Database } from '../db/schema.ts';
import { newId } from '../lib/ids.ts';
import { storableJson } from '../lib/storable.ts';
import type { Decided } from './decide-batch.ts';
import { orderingKey, type RouteOrder } from './route-config.ts';

/** How a handler kind wants its deliveries ordered, where the route does not say. */
export type OrderOf = (handlerKind: string) => RouteOrder;

/** The ordering key of the delivery that a decision makes; null where order does not matter. */
export function keyOf({ message, decision, order }: Decided, orderOf: OrderOf): string | null {
  return orderingKey(order ?? orderOf(decision.route?.handlerKind ?? ''), message);
}

/** Writes what was decided: the messages' status with its reasons, and a delivery for each that is routed. */
export async function storeDecisions(
  trx: Transaction<Database>,
  decided: readonly Decided[],
  now: Date,
  orderOf: OrderOf,
): Promise<number> {
  if (decided.length === 0) return 0;
  const rows = decided.map((one) => {
    const { message, decision, endpointId } = one;
    return {
      tenant_id: message.tenant_id,
      id: message.id,
      channel_id: message.channel_id,
      status: decision.status,
      endpoint_id: endpointId,
      trust_level: decision.trust.level,
      user_id: decision.identity?.userId ?? null,
      route_id: decision.route?.id ?? null,
      route_target: decision.status === 'routed' ? (decision.route?.targetKind ?? null) : null,
      route_target_id: decision.status === 'routed' ? (decision.route?.targetId ?? null) : null,
      decision: { ...decision, route: undefined, decidedAt: now },
      handler_kind: decision.route?.handlerKind ?? null,
      delivery_id: decision.status === 'routed' ? newId() : null,
      ordering_key: keyOf(one, orderOf),
    };
  });
  const routed = rows.filter((row) => row.delivery_id !== null);
  await lockKeys(trx, routed);
  await sql`
    with decided as (
      select * from json_to_recordset(${storableJson(rows)}::json) as d(
        tenant_id uuid, id uuid, channel_id uuid, status text, endpoint_id uuid, trust_level text, user_id text, route_id uuid,
        route_target text, route_target_id uuid, decision jsonb, handler_kind text, delivery_id uuid, ordering_key text)
    ), marked as (
      update inbound_messages m set status = d.status, endpoint_id = d.endpoint_id, trust_level = d.trust_level,
        user_id = d.user_id, route_id = d.route_id, route_target = d.route_target,
        route_target_id = d.route_target_id, decision = d.decision, error = null, updated_at = ${now}
      from decided d where m.tenant_id = d.tenant_id and m.id = d.id
    )
    insert into deliveries (tenant_id, id, message_id, channel_id, route_id, target_id, handler_kind, ordering_key,
      seq, blocked)
    select d.tenant_id, d.delivery_id, d.id, d.channel_id, d.route_id, d.route_target_id, d.handler_kind, d.ordering_key,
      case when d.ordering_key is not null then nextval('delivery_order') end,
      d.ordering_key is not null and (
        row_number() over (partition by d.tenant_id, d.ordering_key order by d.delivery_id) > 1
        or exists (select from deliveries u where u.tenant_id = d.tenant_id and u.ordering_key = d.ordering_key
          and u.finished_at is null)
        or exists (select from deliveries h where h.tenant_id = d.tenant_id and h.ordering_key = d.ordering_key
          and h.holds_key))
    from decided d where d.delivery_id is not null order by d.delivery_id`.execute(trx);
  return routed.length;
}
