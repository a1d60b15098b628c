import { sql, type Kysely } from 'kysely';

/** The spine: who may call, what arrives, who wrote it, where it goes, and how it leaves. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `create table tenants (
    id uuid primary key,
    name text not null,
    created_at timestamptz not null default now()
  )`,

  `create table tokens (
    tenant_id uuid not null references tenants (id),
    id uuid not null,
    name text not null,
    hash bytea not null,
    scope text not null check (scope in ('read', 'write', 'admin')),
    created_at timestamptz not null default now(),
    last_used_at timestamptz,
    revoked_at timestamptz,
    primary key (tenant_id, id)
  )`,
  `create index tokens_by_hash on tokens (hash)`,

  `create table channels (
    tenant_id uuid not null references tenants (id),
    id uuid not null,
    kind text not null,
    provider text not null,
    name text not null,
    secrets text not null,
    settings jsonb not null,
    status text not null default 'active' check (status in ('active', 'paused', 'deleted')),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, id)
  )`,
  `create index channels_by_id on channels (id)`,

  `create table endpoints (
    tenant_id uuid not null,
    id uuid not null,
    channel_id uuid not null,
    address text not null,
    display_name text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, id),
    unique (tenant_id, channel_id, address),
    foreign key (tenant_id, channel_id) references channels (tenant_id, id)
  )`,

  `create table targets (
    tenant_id uuid not null references tenants (id),
    id uuid not null,
    kind text not null,
    name text not null,
    url text not null,
    secrets text not null,
    policy jsonb not null,
    status text not null default 'active' check (status in ('active', 'paused', 'deleted')),
    status_reason text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, id)
  )`,

  `create table identity_links (
    tenant_id uuid not null references tenants (id),
    id uuid not null,
    channel text not null,
    external_identity text not null,
    user_id text not null,
    agent_spec_id text,
    verified boolean not null default false,
    metadata jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, id),
    unique (tenant_id, channel, external_identity)
  )`,

  // A route without an endpoint is tenant-wide; one for a whole channel has the endpoint '*'.
  `create table routes (
    tenant_id uuid not null references tenants (id),
    id uuid not null,
    channel_id uuid,
    endpoint_id uuid,
    handler_kind text not null,
    target_kind text,
    target_id uuid,
    workflow_key text,
    workspace_id uuid,
    thread_id uuid,
    allowed_sender_policy jsonb not null,
    config jsonb not null,
    priority integer not null default 0,
    status text not null default 'active' check (status in ('active', 'paused', 'deleted')),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, id),
    foreign key (tenant_id, endpoint_id) references endpoints (tenant_id, id)
  )`,
  `create index routes_by_endpoint on routes (tenant_id, endpoint_id) where status = 'active'`,

  // Partitioned by day through the id, a UUIDv7: a look-up by id finds its partition by itself.
  `create table events (
    tenant_id uuid not null,
    id uuid not null,
    channel_id uuid not null,
    provider text not null,
    received_at timestamptz not null,
    method text not null,
    url text not null,
    headers json not null,
    body bytea not null,
    outcome text not null check (outcome in ('accepted', 'duplicate', 'ignored', 'unparsed')),
    reason text,
    ignored json not null,
    delivery_id text,
    primary key (tenant_id, id)
  ) partition by range (id)`,
  `create table events_default partition of events default`,

  `create table rejections (
    tenant_id uuid not null references tenants (id),
    channel_id uuid not null,
    minute timestamptz not null,
    reason text not null,
    count integer not null,
    sample jsonb not null,
    primary key (tenant_id, channel_id, minute, reason)
  )`,

  `create table inbound_messages (
    tenant_id uuid not null,
    id uuid not null,
    event_id uuid not null,
    channel_id uuid not null,
    channel text not null,
    idempotency_key text not null,
    external_identity text not null,
    display_name text,
    recipient text,
    text text,
    channel_message_id text,
    channel_thread_id text,
    attachments jsonb not null,
    channel_metadata jsonb not null,
    sent_at timestamptz,
    vouched boolean not null,
    status text not null default 'received'
      check (status in ('received', 'routed', 'processed', 'failed', 'unrouted', 'rejected')),
    held boolean not null default false,
    endpoint_id uuid,
    trust_level text not null default 'unknown' check (trust_level in ('verified', 'unverified', 'unknown')),
    user_id text,
    route_id uuid,
    route_target text,
    route_target_id uuid,
    decision jsonb,
    error jsonb,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, idempotency_key)
  )`,
  `create index inbound_messages_to_route on inbound_messages (id) where status = 'received' and not held`,
  `create index inbound_messages_held on inbound_messages (tenant_id, channel_id) where held`,
  `create index inbound_messages_to_look_at on inbound_messages (tenant_id, status, id)
    where status in ('failed', 'unrouted', 'rejected')`,

  // fence: how often it was claimed, the number a worker must show to complete it.
  // attempts: how many of those count against the retry schedule.
  `create table deliveries (
    tenant_id uuid not null,
    id uuid not null,
    message_id uuid not null,
    route_id uuid,
    target_id uuid,
    handler_kind text not null,
    state text not null default 'pending'
      check (state in ('pending', 'running', 'awaiting', 'succeeded', 'dead', 'cancelled')),
    held boolean not null default false,
    run_at timestamptz not null default now(),
    attempts integer not null default 0,
    fence bigint not null default 0,
    lease_owner text,
    lease_until timestamptz,
    replay_of uuid,
    result jsonb,
    error jsonb,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    finished_at timestamptz,
    primary key (tenant_id, id)
  )`,
  `create index deliveries_to_run on deliveries (run_at, id) where state = 'pending' and not held`,
  `create index deliveries_leased on deliveries (lease_until) where state = 'running'`,
  `create index deliveries_held on deliveries (tenant_id, target_id) where held`,
  `create index deliveries_dead on deliveries (tenant_id, id) where state = 'dead'`,
  `create index deliveries_by_message on deliveries (tenant_id, message_id)`,

  `create table attempts (
    tenant_id uuid not null,
    delivery_id uuid not null,
    fence bigint not null,
    number integer not null,
    worker text not null,
    outcome text not null check (outcome in ('succeeded', 'retry', 'dead', 'superseded', 'lease_expired')),
    status_code integer,
    error jsonb,
    response text,
    started_at timestamptz not null,
    duration_ms integer not null,
    primary key (tenant_id, delivery_id, fence)
  )`,
];
