import { sql, type Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { storableJson, storableText } from '../lib/storable.ts';
import type { Completion } from './complete.ts';
import { endColumns } from './end-columns.ts';

/**
 * Ends tries that ran and succeeded, which is what most do: delivery and attempt in one commit. The
 * statement for all the ways a try can end takes half as long again.
 *
 * @returns those that do not count, of which nothing was written: another worker has the delivery.
 */
export async function writeSuccesses(db: Kysely<Database>, successes: readonly Completion[]): Promise<Completion[]> {
  if (successes.length === 0) return [];
  const { ordered, column, alike, rare } = endColumns(successes);
  const { rows } = await sql<{ n: string }>`/* prepare complete_successes */
    with ended as materialized (
      select e.id, e.started_ms, e.duration_ms, e.status_code, e.response, e.result, e.n,
        coalesce(e.tenant_id, g.tenant_ids[1]) as tenant_id, coalesce(e.fence, g.fences[1]) as fence,
        coalesce(e.number, g.numbers[1]) as number, coalesce(e.worker, g.workers[1]) as worker
      from (select
        ${alike(({ claim }) => claim.tenant_id)}::uuid[] as tenant_ids, ${column(({ claim }) => claim.id)}::uuid[] as ids,
        ${alike(({ claim }) => claim.fence)}::bigint[] as fences, ${alike(({ claim }) => claim.attempts)}::int[] as numbers,
        ${alike(({ worker }) => worker)}::text[] as workers,
        ${column(({ startedAt }) => startedAt.getTime())}::float8[] as starts,
        ${column(({ durationMs }) => Math.round(durationMs))}::int[] as durations,
        ${rare(({ statusCode }) => statusCode)}::int[] as status_codes,
        ${rare(({ response }) => (response === null ? null : storableText(response)))}::text[] as responses,
        ${rare(({ result }) => (isEmpty(result) ? null : storableJson(result)))}::text[] as results
        -- So that the rows are looked up by key: whoever knew how many there are would read a small table from end to end.
        offset 0
      ) g cross join lateral unnest(g.tenant_ids, g.ids, g.fences, g.numbers, g.workers, g.starts, g.durations,
        g.status_codes, g.responses, g.results) with ordinality
        as e(tenant_id, id, fence, number, worker, started_ms, duration_ms, status_code, response, result, n)
    ), updated as (
      update deliveries d set state = 'succeeded', finished_at = now(), result = coalesce(e.result, '{}')::jsonb,
        error = null, lease_owner = null, lease_until = null, updated_at = now()
      from ended e
      where d.tenant_id = e.tenant_id and d.id = e.id and d.fence = e.fence and d.state = 'running'
        and d.lease_owner = e.worker
      returning e.*
    ), logged as (
      -- Of a try that ran until now nothing was logged before, so no conflict has to be looked for.
      insert into attempts (tenant_id, delivery_id, fence, number, worker, outcome, status_code, response, started_at,
        duration_ms)
      select tenant_id, id, fence, number, worker, 'succeeded', status_code, response,
        to_timestamp(started_ms / 1000), duration_ms
      from updated
    )
    select e.n from ended e where not exists (select from updated u where u.n = e.n)`.execute(db);
  return rows.map(({ n }) => ordered[Number(n) - 1] as Completion);
}

function isEmpty(result: Readonly<Record<string, unknown>> | null): boolean {
  return result === null || Object.keys(result).length === 0;
}
