import { sql, type Kysely, type Transaction } from 'kysely';
import type { Database } from './schema.ts';

interface Keyed {
  readonly tenant_id: string;
  readonly ordering_key: string | null;
}

/**
 * Locks ordering keys until the transaction ends. Whoever adds a delivery to a key, or ends one of
 * it, does so under this lock: of a key's deliveries that have not ended, just one is not blocked.
 * Keys are locked in order, so that two batches cannot wait for each other. What is read afterwards,
 * by a statement of its own, is what the others have committed.
 */
export async function lockKeys(trx: Transaction<Database>, deliveries: readonly Keyed[]): Promise<void> {
  const keyed = deliveries.filter((delivery) => delivery.ordering_key !== null);
  if (keyed.length === 0) return;
  await sql`
    select pg_advisory_xact_lock(hash) from (
      select distinct hashtextextended(k.tenant_id::text || k.ordering_key, 0) as hash
      from unnest(${keyed.map((k) => k.tenant_id)}::uuid[], ${keyed.map((k) => k.ordering_key)}::text[])
        as k(tenant_id, ordering_key)
      order by 1) sorted`.execute(trx);
}

/**
 * Lets the next delivery of each key go, under `lockKeys`: the one that arrived first, unless one
 * of the key still runs or waits for its turn, or a dead one holds the key.
 */
export async function releaseNext(trx: Transaction<Database>, ended: readonly Keyed[]): Promise<void> {
  const keyed = ended.filter((delivery) => delivery.ordering_key !== null);
  if (keyed.length === 0) return;
  await sql`
    update deliveries d set blocked = false, run_at = greatest(d.run_at, now()), updated_at = now()
    from (
      select distinct k.tenant_id, k.ordering_key
      from unnest(${keyed.map((k) => k.tenant_id)}::uuid[], ${keyed.map((k) => k.ordering_key)}::text[])
        as k(tenant_id, ordering_key)
    ) k
    cross join lateral (
      select id, blocked from deliveries n
      where n.tenant_id = k.tenant_id and n.ordering_key = k.ordering_key
        and n.finished_at is null
      order by n.blocked, n.seq, n.id limit 1
    ) next
    where d.tenant_id = k.tenant_id and d.id = next.id and next.blocked
      and not exists (select from deliveries h
        where h.tenant_id = k.tenant_id and h.ordering_key = k.ordering_key and h.holds_key)`.execute(trx);
}

/** Ends a hold: the dead delivery keeps its key no longer. Under `lockKeys`, before `releaseNext`. */
export async function dropHolds(db: Kysely<Database>, tenantId: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await sql`update deliveries set holds_key = false, updated_at = now()
    where tenant_id = ${tenantId} and id = any(${[...ids]}::uuid[]) and holds_key`.execute(db);
}
