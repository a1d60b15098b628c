import { sql, type Kysely, type Transaction } from 'kysely';
import { lockKeys, releaseNext } from '../db/ordering-keys.ts';
import type { Database } from '../db/schema.ts';
import { conflict } from '../lib/errors.ts';
import { getDelivery, type Delivery } from './deliveries.ts';

/** Why a delivery was cancelled: it stands in the delivery's error. */
const reasons = {
  cancelled: 'it was cancelled by hand',
  rerouted: 'its message goes another way now',
} as const;

/**
 * Cancels a delivery that waits: for its time, its turn, its target, or a callback. Its message
 * counts as failed where nothing else is under way for it.
 *
 * @throws PostroomError `not_found`; `conflict` where it runs, or has ended.
 */
export async function cancelDelivery(db: Kysely<Database>, tenantId: string, id: string): Promise<Delivery> {
  await db.transaction().execute(async (trx) => {
    const { delivery } = await getDelivery(trx, tenantId, id);
    await lockKeys(trx, [delivery]);
    const cancelled = await cancelWaiting(trx, tenantId, [id], 'cancelled');
    if (cancelled.length === 0) throw await refusal(trx, tenantId, id);
    await failMessages(trx, tenantId, [delivery.message_id]);
    await releaseNext(trx, [delivery]);
  });
  return (await getDelivery(db, tenantId, id)).delivery;
}

/** What it is now: it may have begun to run after it was looked at. */
async function refusal(db: Kysely<Database>, tenantId: string, id: string): Promise<Error> {
  const { delivery } = await getDelivery(db, tenantId, id);
  const why = delivery.state === 'running' ? 'it runs now' : `it has ended: ${delivery.state}`;
  return conflict(`the delivery cannot be cancelled: ${why}`, ['path', 'deliveryId']);
}

/**
 * Cancels those that wait. Under `lockKeys`; whoever calls lets the next of each key go.
 *
 * @returns the ids of those that did wait.
 */
export async function cancelWaiting(
  trx: Transaction<Database>,
  tenantId: string,
  ids: readonly string[],
  reason: keyof typeof reasons,
): Promise<string[]> {
  if (ids.length === 0) return [];
  const error = JSON.stringify({ code: reason, message: reasons[reason] });
  const { rows } = await sql<{ id: string }>`
    update deliveries set state = 'cancelled', held = false, blocked = false, on_deadline = null,
      error = ${error}::jsonb, finished_at = now(), updated_at = now()
    where tenant_id = ${tenantId} and id = any(${[...ids]}::uuid[]) and state in ('pending', 'awaiting')
    returning id`.execute(trx);
  return rows.map((row) => row.id);
}

/** Messages for which nothing is under way any more have failed, so that nobody waits for them. */
async function failMessages(trx: Transaction<Database>, tenantId: string, ids: readonly string[]): Promise<void> {
  const error = JSON.stringify({ code: 'cancelled', message: reasons.cancelled });
  await sql`
    update inbound_messages m set status = 'failed', error = ${error}::jsonb, updated_at = now()
    where m.tenant_id = ${tenantId} and m.id = any(${[...ids]}::uuid[]) and m.status = 'routed'
      and not exists (select from deliveries d where d.tenant_id = m.tenant_id and d.message_id = m.id
        and d.state in ('pending', 'running', 'awaiting', 'succeeded'))`.execute(trx);
}
