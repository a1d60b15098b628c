import { sql, type Transaction } from 'kysely';
import { lockKeys, releaseNext } from '../db/ordering-keys.ts';
import { keepMessageStatus } from '../db/message-status.ts';
import type { Database } from '../db/schema.ts';
import { endedStates } from './delivery-filter.ts';

/** A delivery to remove. */
export interface Removable {
  readonly tenant_id: string;
  readonly id: string;
  readonly ordering_key: string | null;
  readonly holds_key: boolean;
}

/**
 * Removes deliveries that have ended, with their attempts. What one of them held goes on. One that
 * has not ended stays, whoever asks.
 *
 * @returns how many were removed.
 */
export async function purgeDeliveries(
  trx: Transaction<Database>,
  tenantId: string,
  deliveries: readonly Removable[],
): Promise<number> {
  if (deliveries.length === 0) return 0;
  const holding = deliveries.filter((delivery) => delivery.holds_key);
  await lockKeys(trx, holding);
  await keepMessageStatus(
    trx,
    tenantId,
    deliveries.map((delivery) => delivery.id),
  );
  const { rows } = await sql<{ count: number }>`
    with removed as (
      delete from deliveries where tenant_id = ${tenantId}
        and id = any(${deliveries.map((delivery) => delivery.id)}::uuid[]) and state = any(${[...endedStates]}::text[])
      returning id
    ), forgotten as (
      delete from attempts a using removed where a.tenant_id = ${tenantId} and a.delivery_id = removed.id
    )
    select count(*)::int as count from removed`.execute(trx);
  await releaseNext(trx, holding);
  return rows[0]?.count ?? 0;
}
