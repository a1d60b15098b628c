import { sql, type Kysely } from 'kysely';

/** Order, fairness, breakers, callbacks, jobs and retention. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

/** Stands for "no target" where a lane is looked up: a null would not sort between the others. */
const noTarget = '00000000-0000-0000-0000-000000000000';

const statements = [
  // The order of arrival, by the database's count: the clocks of several machines never agree.
  // One number for a group that is booked together; within it the ids are in order.
  `create sequence arrivals`,
  `alter table inbound_messages
    add column arrival bigint,
    add column traceparent text,
    add column blanked_at timestamptz`,
  `alter table inbound_messages alter column arrival set default nextval('arrivals')`,
  `update inbound_messages set arrival = 0 where status = 'received'`,
  `drop index inbound_messages_to_route`,
  `create index inbound_messages_to_route on inbound_messages (arrival, id) where status = 'received' and not held`,

  // blocked: another delivery of its ordering key is not done yet. Of those with one key that have
  // not ended, at most one is not blocked. holds_key: it died, and its route wants the rest to wait.
  // seq: the place in the order of a key. callback: what was called back. run_at of one that is
  // awaiting is its deadline. channel_id: its message's, so that a list by provider reads no messages.
  `create sequence delivery_order`,
  `alter table deliveries
    add column ordering_key text,
    add column seq bigint,
    add column blocked boolean not null default false,
    add column holds_key boolean not null default false,
    add column on_deadline text check (on_deadline in ('retry', 'dead')),
    add column callback jsonb,
    add column job_id uuid,
    add column channel_id uuid`,
  `update deliveries d set channel_id = m.channel_id
    from inbound_messages m where m.tenant_id = d.tenant_id and m.id = d.message_id`,
  `drop index deliveries_to_run`,
  `create index deliveries_to_run on deliveries (tenant_id, coalesce(target_id, '${noTarget}'), run_at, id)
    where state = 'pending' and not held and not blocked`,
  `create index deliveries_by_key on deliveries (tenant_id, ordering_key, seq, id)
    where ordering_key is not null and state in ('pending', 'running', 'awaiting')`,
  `create index deliveries_holding on deliveries (tenant_id, ordering_key) where holds_key`,
  // What waits for its turn is counted now and then; among those of all keys it could not be found.
  `create index deliveries_blocked on deliveries (tenant_id) where state = 'pending' and blocked`,
  `create index deliveries_awaiting on deliveries (run_at) where state = 'awaiting'`,
  // Called back, and not ended by it yet: whoever was about to do so may have died.
  `create index deliveries_called_back on deliveries (tenant_id, id)
    where state = 'awaiting' and callback is not null`,

  `alter table attempts drop constraint attempts_outcome_check`,
  `alter table attempts add constraint attempts_outcome_check
    check (outcome in ('succeeded', 'retry', 'dead', 'awaiting', 'superseded', 'lease_expired'))`,

  // breaker_until: when an open breaker lets a probe through. failing_since: the first failure after
  // the last success, once the breaker has opened.
  `alter table targets
    add column breaker text not null default 'closed' check (breaker in ('closed', 'open', 'half_open')),
    add column breaker_until timestamptz,
    add column breaker_openings integer not null default 0,
    add column breaker_reason text,
    add column failing_since timestamptz`,
  `create index targets_broken on targets (breaker_until) where breaker <> 'closed'`,

  // Who works on this database: what a limit is shared by.
  `create table workers (
    name text primary key,
    seen_at timestamptz not null default now()
  )`,

  // Work on many rows at a time, in the background: replays, purges, reparsing, rerouting.
  // position: the last row that was looked at. failures: how often its next batch has failed so far.
  `create table jobs (
    tenant_id uuid not null references tenants (id),
    id uuid not null,
    kind text not null,
    filter jsonb not null,
    options jsonb not null,
    state text not null default 'pending'
      check (state in ('pending', 'running', 'succeeded', 'cancelled', 'failed')),
    total integer not null,
    done integer not null default 0,
    changed integer not null default 0,
    skipped integer not null default 0,
    position uuid,
    failures integer not null default 0,
    error text,
    run_at timestamptz not null default now(),
    lease_owner text,
    lease_until timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    finished_at timestamptz,
    primary key (tenant_id, id)
  )`,
  `create index jobs_to_run on jobs (run_at) where state in ('pending', 'running')`,
  // A job repeats nothing twice, whoever runs it.
  `create unique index deliveries_once_per_job on deliveries (tenant_id, job_id, replay_of) where job_id is not null`,
  `create index events_unparsed on events (tenant_id, id) where outcome = 'unparsed'`,

  // How far retention has come, per tenant and kind of work, so that it never looks twice.
  `create table retention_marks (
    tenant_id uuid not null references tenants (id),
    work text not null,
    up_to uuid not null,
    updated_at timestamptz not null default now(),
    primary key (tenant_id, work)
  )`,

  // overdue: when its time was over it had not ended, so retention looks at it again.
  `alter table inbound_messages add column overdue boolean not null default false`,
  `alter table deliveries add column overdue boolean not null default false`,
  `create index inbound_messages_overdue on inbound_messages (tenant_id, id) where overdue`,
  `create index deliveries_overdue on deliveries (tenant_id, id) where overdue`,
];
