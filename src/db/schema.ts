import type { ColumnType, Generated, JSONColumnType } from 'kysely';
import type { ChannelKind } from '../lib/channel-kinds.ts';

/** The tables as Kysely sees them. `migrations/` makes them; this file only describes them. */
export interface Database {
  tenants: TenantsTable;
  tokens: TokensTable;
  channels: ChannelsTable;
  endpoints: EndpointsTable;
  targets: TargetsTable;
  identity_links: IdentityLinksTable;
  routes: RoutesTable;
  events: EventsTable;
  rejections: RejectionsTable;
  inbound_messages: InboundMessagesTable;
  deliveries: DeliveriesTable;
  attempts: AttemptsTable;
  workers: WorkersTable;
  claims: ClaimsTable;
  jobs: JobsTable;
  retention_marks: RetentionMarksTable;
}

/** Written by PostgreSQL's clock unless given. */
type Timestamp = ColumnType<Date, Date | undefined, Date>;
type NullableTimestamp = ColumnType<Date | null, Date | null | undefined, Date | null>;
/** JSON goes in as text that `storableJson` made and comes out parsed. */
type Json = ColumnType<unknown, string, string>;
type NullableJson = ColumnType<unknown, string | null | undefined, string | null>;
/** int8 comes out as text from both drivers. */
type BigInt8 = ColumnType<string, number | undefined, number>;
type NullableBigInt8 = ColumnType<string | null, number | null | undefined, number | null>;

export interface TenantsTable {
  id: string;
  name: string;
  created_at: Timestamp;
}

export type Scope = 'read' | 'write' | 'admin';

export interface TokensTable {
  tenant_id: string;
  id: string;
  name: string;
  hash: Uint8Array;
  scope: Scope;
  created_at: Timestamp;
  last_used_at: NullableTimestamp;
  revoked_at: NullableTimestamp;
}

export type Status = 'active' | 'paused' | 'deleted';

export interface ChannelsTable {
  tenant_id: string;
  id: string;
  kind: ChannelKind;
  provider: string;
  name: string;
  secrets: string;
  settings: JSONColumnType<Record<string, unknown>>;
  status: Generated<Status>;
  created_at: Timestamp;
  updated_at: Timestamp;
}

export interface EndpointsTable {
  tenant_id: string;
  id: string;
  channel_id: string;
  address: string;
  display_name: string | null;
  created_at: Timestamp;
  updated_at: Timestamp;
}

export type BreakerState = 'closed' | 'open' | 'half_open';

export interface TargetsTable {
  tenant_id: string;
  id: string;
  kind: string;
  name: string;
  url: string;
  secrets: string;
  policy: Json;
  status: Generated<Status>;
  status_reason: string | null;
  breaker: Generated<BreakerState>;
  breaker_until: NullableTimestamp;
  breaker_openings: Generated<number>;
  breaker_reason: string | null;
  failing_since: NullableTimestamp;
  created_at: Timestamp;
  updated_at: Timestamp;
}

export interface IdentityLinksTable {
  tenant_id: string;
  id: string;
  channel: ChannelKind;
  external_identity: string;
  user_id: string;
  agent_spec_id: string | null;
  verified: Generated<boolean>;
  metadata: ColumnType<Record<string, unknown>, string | undefined, string>;
  created_at: Timestamp;
  updated_at: Timestamp;
}

export interface RoutesTable {
  tenant_id: string;
  id: string;
  channel_id: string | null;
  endpoint_id: string | null;
  handler_kind: string;
  target_kind: string | null;
  target_id: string | null;
  workflow_key: string | null;
  workspace_id: string | null;
  thread_id: string | null;
  allowed_sender_policy: JSONColumnType<Record<string, unknown>>;
  config: JSONColumnType<Record<string, unknown>>;
  priority: Generated<number>;
  status: Generated<Status>;
  created_at: Timestamp;
  updated_at: Timestamp;
}

export type EventOutcome = 'accepted' | 'duplicate' | 'ignored' | 'unparsed';

export interface EventsTable {
  tenant_id: string;
  id: string;
  channel_id: string;
  provider: string;
  received_at: Date;
  method: string;
  url: string;
  headers: JSONColumnType<[name: string, value: string][]>;
  body: Uint8Array;
  outcome: EventOutcome;
  reason: string | null;
  ignored: JSONColumnType<{ reason: string }[]>;
  delivery_id: string | null;
}

export interface RejectionsTable {
  tenant_id: string;
  channel_id: string;
  minute: Date;
  reason: string;
  count: number;
  sample: Json;
}

export type MessageStatus = 'received' | 'routed' | 'processed' | 'failed' | 'unrouted' | 'rejected';

export interface InboundMessagesTable {
  tenant_id: string;
  id: string;
  event_id: string;
  channel_id: string;
  channel: ChannelKind;
  idempotency_key: string;
  external_identity: string;
  display_name: string | null;
  recipient: string | null;
  text: string | null;
  channel_message_id: string | null;
  channel_thread_id: string | null;
  attachments: JSONColumnType<Record<string, unknown>[]>;
  channel_metadata: JSONColumnType<Record<string, unknown>>;
  sent_at: NullableTimestamp;
  vouched: boolean;
  status: Generated<MessageStatus>;
  held: Generated<boolean>;
  endpoint_id: string | null;
  trust_level: Generated<'verified' | 'unverified' | 'unknown'>;
  user_id: string | null;
  route_id: string | null;
  route_target: string | null;
  route_target_id: string | null;
  decision: NullableJson;
  error: NullableJson;
  arrival: BigInt8;
  traceparent: string | null;
  blanked_at: NullableTimestamp;
  overdue: Generated<boolean>;
  created_at: Date;
  updated_at: Date;
}

export type DeliveryState = 'pending' | 'running' | 'awaiting' | 'succeeded' | 'dead' | 'cancelled';

export interface DeliveriesTable {
  tenant_id: string;
  id: string;
  message_id: string;
  route_id: string | null;
  target_id: string | null;
  handler_kind: string;
  state: Generated<DeliveryState>;
  held: Generated<boolean>;
  run_at: Timestamp;
  attempts: Generated<number>;
  fence: BigInt8;
  lease_owner: string | null;
  lease_until: NullableTimestamp;
  replay_of: string | null;
  ordering_key: string | null;
  seq: NullableBigInt8;
  blocked: Generated<boolean>;
  holds_key: Generated<boolean>;
  on_deadline: 'retry' | 'dead' | null;
  callback: NullableJson;
  job_id: string | null;
  channel_id: string | null;
  overdue: Generated<boolean>;
  outdated: Generated<boolean>;
  result: NullableJson;
  error: NullableJson;
  created_at: Timestamp;
  updated_at: Timestamp;
  finished_at: NullableTimestamp;
}

export type AttemptOutcome = 'succeeded' | 'retry' | 'dead' | 'awaiting' | 'superseded' | 'lease_expired';

export interface AttemptsTable {
  tenant_id: string;
  delivery_id: string;
  fence: BigInt8;
  number: number;
  worker: string;
  outcome: AttemptOutcome;
  status_code: number | null;
  error: NullableJson;
  response: string | null;
  started_at: Date;
  duration_ms: number;
}

export interface ClaimsTable {
  id: Generated<string>;
  look_at: Date;
  tenant_ids: string[];
  delivery_ids: string[];
}

export interface WorkersTable {
  name: string;
  seen_at: Timestamp;
}

export type JobState = 'pending' | 'running' | 'succeeded' | 'cancelled' | 'failed';

export interface JobsTable {
  tenant_id: string;
  id: string;
  kind: string;
  filter: Json;
  options: Json;
  state: Generated<JobState>;
  total: number;
  done: Generated<number>;
  changed: Generated<number>;
  skipped: Generated<number>;
  position: string | null;
  failures: Generated<number>;
  error: string | null;
  run_at: Timestamp;
  lease_owner: string | null;
  lease_until: NullableTimestamp;
  created_at: Timestamp;
  updated_at: Timestamp;
  finished_at: NullableTimestamp;
}

export interface RetentionMarksTable {
  tenant_id: string;
  work: string;
  up_to: string;
  updated_at: Timestamp;
}
