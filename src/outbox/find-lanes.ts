import { sql, type RawBuilder } from 'kysely';
import { firstLane, isWaiting, lane, noTarget } from './to-run.ts';

/** A tenant's target (or none), and the time of the first delivery that waited there, as PostgreSQL writes it. */
export type LanePlace = readonly [tenantId: string, lane: string, since: string];

/** A place in the round of tenants, and of the targets of each that has many. */
export interface Position {
  /** The tenant to go on after; null: from the beginning. */
  readonly tenant: string | null;
  /** Per tenant the target to go on after. */
  readonly targets: Readonly<Record<string, string>>;
}

/** The order of the index, in full: with less PostgreSQL may take another one, and walk past all that has ended. */
const inOrder = sql`d.tenant_id, ${lane}, d.run_at, d.id`;
/** That one claim looks at, and targets of each of them. */
export const maxTenants = 64;
export const maxLanes = 16;

/** The lanes of the next tenants of the round, found by jumping from one to the next in the index. */
export function allLanes(position: Position): RawBuilder<unknown> {
  const cursors = Object.entries(position.targets);
  return sql`cursors as materialized (
      select * from unnest(${cursors.map(([tenant]) => tenant)}::uuid[],
        ${cursors.map(([, target]) => after(target))}::uuid[]) as c(tenant_id, lane)
    ), tenants(tenant_id, n) as (
      (select d.tenant_id, 1 from deliveries d
        where ${isWaiting} and d.tenant_id >= (select ${after(position.tenant)}::uuid)
        order by ${inOrder} limit 1)
      union all
      select (select d.tenant_id from deliveries d
        where ${isWaiting} and d.tenant_id > t.tenant_id
        order by ${inOrder} limit 1), t.n + 1
      from tenants t where t.tenant_id is not null and t.n < ${maxTenants}
    ), lanes as materialized (
      select t.tenant_id, l.lane, l.due_at
      from tenants t
      left join cursors c on c.tenant_id = t.tenant_id
      cross join lateral (
        with recursive s(lane, due_at, n) as (
          (select ${lane}, d.run_at, 1 from deliveries d
            where ${isWaiting} and d.tenant_id = t.tenant_id and ${lane} >= coalesce(c.lane, ${firstLane})
            order by ${lane}, d.run_at limit 1)
          union all
          select f.lane, f.run_at, s.n + 1 from s cross join lateral (
            select ${lane} as lane, d.run_at from deliveries d
            where ${isWaiting} and d.tenant_id = t.tenant_id and ${lane} > s.lane
            order by ${lane}, d.run_at limit 1) f
          where s.n < ${maxLanes}
        ) select lane, due_at from s
      ) l
      where t.tenant_id is not null
    )`;
}

/** Lanes that something waits in still, of those where something did; of the round of tenants nothing. */
export function knownLanes(places: readonly LanePlace[]): RawBuilder<unknown> {
  return sql`known as materialized (
      select * from unnest(${places.map(([tenant]) => tenant)}::uuid[], ${places.map(([, own]) => own)}::uuid[],
        ${places.map(([, , since]) => since)}::timestamptz[]) as k(tenant_id, lane, since)
    ), tenants as (select tenant_id from known limit 0), lanes as materialized (
      select k.tenant_id, k.lane, f.run_at as due_at
      from known k cross join lateral (
        select d.run_at from deliveries d
        where ${isWaiting} and d.tenant_id = k.tenant_id and ${lane} = k.lane and d.run_at >= k.since
        order by d.run_at, d.id limit 1) f
    )`;
}

/** The UUID after this one, to go on from; the first of all where there is none. */
function after(id: string | null): string {
  if (id === null) return noTarget;
  const next = (BigInt(`0x${id.replaceAll('-', '')}`) + 1n).toString(16).padStart(32, '0').slice(-32);
  return next.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
