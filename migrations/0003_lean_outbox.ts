import { sql, type Kysely } from 'kysely';

/** Less to write for each delivery, and less to read for each message. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const noTarget = '00000000-0000-0000-0000-000000000000';

const statements = [
  // What a claim changes (state, fence, attempts, lease) stands in no index and in no condition of
  // one, so that PostgreSQL updates the row in its page alone, where there is room for it. "Has not
  // ended" is said by finished_at, "awaits no callback" by on_deadline: a claim changes neither. A page
  // that is filled to 45 % has room for a second version of each row, with its lease.
  `alter table deliveries set (fillfactor = 45)`,
  `drop index deliveries_to_run`,
  `create index deliveries_to_run on deliveries (tenant_id, coalesce(target_id, '${noTarget}'), run_at, id)
    where finished_at is null and on_deadline is null and not held and not blocked`,
  `drop index deliveries_by_key`,
  `create index deliveries_by_key on deliveries (tenant_id, ordering_key, seq, id)
    where ordering_key is not null and finished_at is null`,
  `drop index deliveries_blocked`,
  `create index deliveries_blocked on deliveries (tenant_id) where blocked`,
  `drop index deliveries_awaiting`,
  `create index deliveries_awaiting on deliveries (run_at) where finished_at is null and on_deadline is not null`,
  `drop index deliveries_called_back`,
  `create index deliveries_called_back on deliveries (tenant_id, id)
    where on_deadline is not null and callback is not null`,
  `drop index deliveries_dead`,
  `create index deliveries_dead on deliveries (tenant_id, id) where finished_at is not null and error is not null`,

  // Where to look for what runs, instead of an index that each claim would have to write to: a row
  // per claim, gone when all of it is done. look_at: no lease of it ends sooner.
  `drop index deliveries_leased`,
  `create table claims (
    id bigint generated always as identity primary key,
    look_at timestamptz not null,
    tenant_ids uuid[] not null,
    delivery_ids uuid[] not null
  )`,
  `create index claims_to_look_at on claims (look_at)`,
  `insert into claims (look_at, tenant_ids, delivery_ids)
    select now(), array_agg(tenant_id), array_agg(id) from deliveries where state = 'running' having count(*) > 0`,

  // outdated: it succeeded, but its message was decided anew since, and goes another way.
  `alter table deliveries add column outdated boolean not null default false`,

  // The router finds a sender in the index alone: of a million links each look at a row of the table
  // was another page to read.
  `create unique index identity_links_by_sender on identity_links (tenant_id, channel, external_identity)
    include (id, user_id, agent_spec_id, verified)`,
  `alter table identity_links drop constraint identity_links_tenant_id_channel_external_identity_key`,
];
