import { sql, type Kysely, type RawBuilder } from 'kysely';
import type { Database } from '../db/schema.ts';
import type { Claim } from './claim.ts';
import { isInLane } from './to-run.ts';

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

/** How many claims, and how many deliveries, one statement looks at. */
const maxClaims = 200;
const maxLost = 1_000;

/**
 * Takes back deliveries whose worker showed no sign of life until the lease ended: they are due at
 * once, and the lost try is logged. Each claim has left a note of where to look; it goes when nothing
 * of the claim runs any more.
 *
 * @returns how many.
 */
export async function reapExpiredLeases(db: Kysely<Database>): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    with looked as materialized (
      select id, tenant_ids, delivery_ids from claims
      where look_at < now() order by look_at limit ${maxClaims} for update skip locked
    ), running as materialized (
      select l.id as claim_id, d.tenant_id, d.id, d.lease_until
      from looked l cross join lateral unnest(l.tenant_ids, l.delivery_ids) as c(tenant_id, id)
      join deliveries d on d.tenant_id = c.tenant_id and d.id = c.id
      where d.state = 'running'
    ), ${takeBack(sql`
      select d.tenant_id, d.id from deliveries d
      join (select distinct tenant_id, id from running where lease_until < now()) r
        on r.tenant_id = d.tenant_id and r.id = d.id
      where d.state = 'running' and d.lease_until < now()
      limit ${maxLost} for update of d skip locked`)}, still as materialized (
      select claim_id, min(lease_until) as lease_until from running r
      where not exists (select from freed f where f.tenant_id = r.tenant_id and f.id = r.id)
      group by claim_id
    ), noted as (
      update claims c set look_at = greatest(s.lease_until, now() + interval '1 second')
      from still s where c.id = s.claim_id
    ), forgotten as (
      delete from claims c using looked l
      where c.id = l.id and not exists (select from still s where s.claim_id = l.id)
    )
    select count(*)::int as count from freed`.execute(db);
  return rows[0]?.count ?? 0;
}

/**
 * Takes back what runs without a sign of life, wherever it is: what a process of an earlier version
 * left, which makes no note of its claims. This reads all that waits, so it is for now and then.
 *
 * @param all true takes back all that runs: at the start of the only process there is.
 * @returns how many.
 */
export async function sweepExpiredLeases(db: Kysely<Database>, all = false): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    with ${takeBack(sql`
      select d.tenant_id, d.id from deliveries d
      where ${isInLane} and d.state = 'running' and (d.lease_until < now() or ${all})
      limit ${maxLost} for update skip locked`)}
    select count(*)::int as count from freed`.execute(db);
  return rows[0]?.count ?? 0;
}

/** Expressions of a `with`: what `lost` finds is `freed`, and logged. */
function takeBack(lost: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`lost as materialized (${lost}), freed as (
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
    )`;
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

/** Forgets claims of which everything has ended. */
export async function forgetClaims(db: Kysely<Database>, done: readonly string[]): Promise<void> {
  if (done.length > 0) await sql`delete from claims where id = any(${[...done]}::bigint[])`.execute(db);
}
