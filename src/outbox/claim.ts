import { sql, type Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';

/** A delivery that this worker holds under a lease. `fence` is what it must show to complete it. */
export interface Claim {
  readonly tenant_id: string;
  readonly id: string;
  readonly message_id: string;
  readonly route_id: string | null;
  readonly target_id: string | null;
  readonly handler_kind: string;
  readonly attempts: number;
  readonly fence: string;
  readonly replay_of: string | null;
  readonly created_at: Date;
}

/**
 * Claims up to `limit` deliveries that are due, the longest due first. The database's clock decides
 * what is due and how long a lease lasts, because the clocks of several machines never agree.
 */
export async function claimDeliveries(
  db: Kysely<Database>,
  worker: string,
  limit: number,
  leaseSeconds: number,
): Promise<Claim[]> {
  const { rows } = await sql<Claim>`/* prepare claim_deliveries */
    update deliveries d set state = 'running', fence = d.fence + 1, attempts = d.attempts + 1,
      lease_owner = ${worker}, lease_until = now() + ${leaseSeconds}::int * interval '1 second', updated_at = now()
    from (
      select tenant_id, id from deliveries
      where state = 'pending' and not held and run_at <= now()
      order by run_at, id limit ${limit} for update skip locked
    ) due
    where d.tenant_id = due.tenant_id and d.id = due.id
    returning d.tenant_id, d.id, d.message_id, d.route_id, d.target_id, d.handler_kind, d.attempts, d.fence::text,
      d.replay_of, d.created_at`.execute(db);
  return rows.sort((a, b) => (a.id < b.id ? -1 : 1));
}

/**
 * Extends the leases of what still runs here. What does not come back was lost to another worker,
 * and its run should end.
 *
 * @returns the ids whose lease is still ours.
 */
export async function renewLeases(
  db: Kysely<Database>,
  worker: string,
  running: readonly Claim[],
  leaseSeconds: number,
): Promise<Set<string>> {
  if (running.length === 0) return new Set();
  const { rows } = await sql<{ id: string }>`
    update deliveries d set lease_until = now() + ${leaseSeconds}::int * interval '1 second'
    from unnest(${running.map((c) => c.tenant_id)}::uuid[], ${running.map((c) => c.id)}::uuid[],
      ${running.map((c) => c.fence)}::bigint[]) as r(tenant_id, id, fence)
    where d.tenant_id = r.tenant_id and d.id = r.id and d.fence = r.fence and d.state = 'running'
      and d.lease_owner = ${worker}
    returning d.id`.execute(db);
  return new Set(rows.map((row) => row.id));
}

/**
 * Takes back deliveries whose worker showed no sign of life until the lease ended: they are due at
 * once, and the lost try is logged.
 *
 * @param all true takes back every running delivery: at the start of the only process there is.
 * @returns how many.
 */
export async function reapExpiredLeases(db: Kysely<Database>, all = false): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    with lost as (
      select tenant_id, id from deliveries
      where state = 'running' and (lease_until < now() or ${all})
      order by lease_until limit 1000 for update skip locked
    ), freed as (
      update deliveries d set state = 'pending', run_at = now(), lease_owner = null, lease_until = null
      from lost, deliveries before
      where d.tenant_id = lost.tenant_id and d.id = lost.id
        and before.tenant_id = lost.tenant_id and before.id = lost.id
      returning d.tenant_id, d.id, d.fence, d.attempts, before.lease_owner, before.updated_at
    ), logged as (
      insert into attempts (tenant_id, delivery_id, fence, number, worker, outcome, error, started_at, duration_ms)
      select tenant_id, id, fence, attempts, coalesce(lease_owner, 'unknown'), 'lease_expired',
        '{"code":"lease_expired","message":"the worker showed no sign of life until its lease ended"}',
        updated_at, least(extract(epoch from now() - updated_at) * 1000, 2147483647)::int
      from freed on conflict do nothing
    )
    select count(*)::int as count from freed`.execute(db);
  return rows[0]?.count ?? 0;
}

/** Gives back what was claimed and not started; it does not count as a try. */
export async function releaseClaims(db: Kysely<Database>, claims: readonly Claim[]): Promise<void> {
  if (claims.length === 0) return;
  await sql`
    update deliveries d set state = 'pending', attempts = d.attempts - 1, lease_owner = null, lease_until = null,
      updated_at = now()
    from unnest(${claims.map((c) => c.tenant_id)}::uuid[], ${claims.map((c) => c.id)}::uuid[],
      ${claims.map((c) => c.fence)}::bigint[]) as r(tenant_id, id, fence)
    where d.tenant_id = r.tenant_id and d.id = r.id and d.fence = r.fence and d.state = 'running'`.execute(db);
}

/**
 * Sets deliveries to a paused target aside until it goes on; it does not count as a try. Those whose
 * target went on meanwhile are simply given back.
 */
export async function holdClaims(db: Kysely<Database>, claims: readonly Claim[]): Promise<void> {
  if (claims.length === 0) return;
  await db.transaction().execute(async (trx) => {
    // Locked, so that a target which goes on right now waits for us, and then frees what we held.
    await sql`select id from targets where id = any(${claims.map((c) => c.target_id)}::uuid[])
      and tenant_id = any(${claims.map((c) => c.tenant_id)}::uuid[]) order by id for share`.execute(trx);
    await sql`
      update deliveries d set state = 'pending', attempts = d.attempts - 1, lease_owner = null, lease_until = null,
        held = exists (select from targets t where t.tenant_id = d.tenant_id and t.id = d.target_id and t.status = 'paused'),
        updated_at = now()
      from unnest(${claims.map((c) => c.tenant_id)}::uuid[], ${claims.map((c) => c.id)}::uuid[],
        ${claims.map((c) => c.fence)}::bigint[]) as r(tenant_id, id, fence)
      where d.tenant_id = r.tenant_id and d.id = r.id and d.fence = r.fence and d.state = 'running'`.execute(trx);
  });
}
