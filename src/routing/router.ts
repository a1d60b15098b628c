import { sql, type Kysely, type Selectable, type Transaction } from 'kysely';
import type { Database, InboundMessagesTable, RoutesTable } from '../db/schema.ts';
import { newId } from '../lib/ids.ts';
import { normalizeIdentity } from '../lib/identity.ts';
import { storableJson } from '../lib/storable.ts';
import { lockKeys } from '../db/ordering-keys.ts';
import { decideRoute, type Decision, type IdentityFact, type RouteFact } from './decide.ts';
import { orderingKey, readSettings, type RouteOrder } from './route-config.ts';

type Message = Selectable<InboundMessagesTable>;

/** How a handler kind wants its deliveries ordered, where the route does not say. */
export type OrderOf = (handlerKind: string) => RouteOrder;

/** Names the lock that whoever routes holds: a number that nobody else takes on this database. */
const routingLock = 7_067_041_001;

export interface RoutedBatch {
  /** Messages that were looked at; as many as asked for means that there may be more. */
  readonly messages: number;
  readonly deliveries: number;
}

/**
 * Takes up to `limit` messages that wait for routing, oldest first, decides each, and stores status,
 * reasons and deliveries in one commit. Several processes take turns. The number of queries does not
 * depend on the number of messages, links or routes.
 */
export async function routeBatch(
  db: Kysely<Database>,
  limit: number,
  now: Date,
  orderOf: OrderOf = () => 'none',
): Promise<RoutedBatch> {
  return await db.transaction().execute(async (trx) => {
    // One process at a time, so that the order of arrival is the order of the deliveries.
    await sql`select pg_advisory_xact_lock(${routingLock}::bigint)`.execute(trx);
    const taken = await trx
      .selectFrom('inbound_messages')
      .selectAll()
      .where(sql<boolean>`status = 'received' and not held`)
      .orderBy('arrival')
      .orderBy('id')
      .limit(limit)
      .forUpdate()
      .skipLocked()
      .execute();
    if (taken.length === 0) return { messages: 0, deliveries: 0 };

    const messages = await holdBackPaused(trx, taken);
    const endpoints = await findEndpoints(trx, messages);
    const identities = await findIdentities(trx, messages);
    const routes = await findRoutes(trx, messages, endpoints);

    const decided = messages.map((message) => {
      const endpoint = endpoints.get(addressKey(message));
      const candidates = (routes.get(message.tenant_id) ?? []).filter((route) => isCandidate(route, message, endpoint));
      const identity =
        identities.get(identityKey(message.tenant_id, message.channel, message.external_identity)) ?? null;
      const decision = decideRoute(
        {
          id: message.id,
          channelId: message.channel_id,
          channel: message.channel,
          externalIdentity: message.external_identity,
          displayName: message.display_name,
          recipient: message.recipient,
          text: message.text,
          channelMessageId: message.channel_message_id,
          channelThreadId: message.channel_thread_id,
          attachments: message.attachments,
          channelMetadata: message.channel_metadata,
          vouched: message.vouched,
        },
        identity,
        candidates.map((route) => route.fact),
      );
      const route = candidates.find((one) => one.fact.id === decision.route?.id);
      return { message, decision, endpointId: endpoint ?? null, order: route?.order };
    });
    const deliveries = await storeDecisions(trx, decided, now, orderOf);
    return { messages: taken.length, deliveries };
  });
}

/** Sets messages of paused channels aside until the channel goes on; returns the others. */
async function holdBackPaused(trx: Transaction<Database>, messages: readonly Message[]): Promise<Message[]> {
  const channelIds = [...new Set(messages.map((message) => message.channel_id))];
  const { rows: paused } = await sql<{ id: string }>`
    select id from channels where id = any(${channelIds}::uuid[]) and status = 'paused' for share`.execute(trx);
  if (paused.length === 0) return [...messages];
  const pausedIds = new Set(paused.map((row) => row.id));
  const held = messages.filter((message) => pausedIds.has(message.channel_id)).map((message) => message.id);
  await sql`update inbound_messages set held = true where id = any(${held}::uuid[])
    and tenant_id = any(${[...new Set(messages.map((message) => message.tenant_id))]}::uuid[])`.execute(trx);
  return messages.filter((message) => !pausedIds.has(message.channel_id));
}

function addressKey(message: Message): string {
  return `${message.tenant_id} ${message.channel_id} ${message.recipient ?? ''}`;
}

function identityKey(tenantId: string, channel: string, identity: string): string {
  return `${tenantId} ${channel} ${identity}`;
}

/** The endpoint that each message was written to, by `addressKey`. */
async function findEndpoints(trx: Transaction<Database>, messages: readonly Message[]): Promise<Map<string, string>> {
  const wanted = messages.filter((message) => message.recipient !== null);
  if (wanted.length === 0) return new Map();
  const { rows } = await sql<{ id: string; tenant_id: string; channel_id: string; address: string }>`
    select e.id, e.tenant_id, e.channel_id, e.address
    from unnest(${wanted.map((m) => m.tenant_id)}::uuid[], ${wanted.map((m) => m.channel_id)}::uuid[],
      ${wanted.map((m) => normalizeIdentity(m.channel, m.recipient ?? ''))}::text[]) as w(tenant_id, channel_id, address)
    join endpoints e on e.tenant_id = w.tenant_id and e.channel_id = w.channel_id and e.address = w.address
    where e.address <> '*'`.execute(trx);
  const byAddress = new Map(rows.map((row) => [`${row.tenant_id} ${row.channel_id} ${row.address}`, row.id]));
  const found = new Map<string, string>();
  for (const message of wanted) {
    const address = normalizeIdentity(message.channel, message.recipient ?? '');
    const id = byAddress.get(`${message.tenant_id} ${message.channel_id} ${address}`);
    if (id !== undefined) found.set(addressKey(message), id);
  }
  return found;
}

async function findIdentities(
  trx: Transaction<Database>,
  messages: readonly Message[],
): Promise<Map<string, IdentityFact>> {
  if (messages.length === 0) return new Map();
  const { rows } = await sql<IdentityFact & { tenantId: string; channel: string; externalIdentity: string }>`
    select distinct l.tenant_id as "tenantId", l.channel, l.external_identity as "externalIdentity",
      l.id as "linkId", l.user_id as "userId", l.agent_spec_id as "agentSpecId", l.verified
    from unnest(${messages.map((m) => m.tenant_id)}::uuid[], ${messages.map((m) => m.channel)}::text[],
      ${messages.map((m) => m.external_identity)}::text[]) as w(tenant_id, channel, external_identity)
    join identity_links l on l.tenant_id = w.tenant_id and l.channel = w.channel
      and l.external_identity = w.external_identity`.execute(trx);
  return new Map(
    rows.map(({ tenantId, channel, externalIdentity, ...fact }) => [
      identityKey(tenantId, channel, externalIdentity),
      fact,
    ]),
  );
}

interface FoundRoute {
  readonly fact: RouteFact;
  readonly channelId: string | null;
  readonly endpointId: string | null;
  readonly order: RouteOrder | undefined;
}

function isCandidate(route: FoundRoute, message: Message, endpointId: string | undefined): boolean {
  if (route.fact.scope === 'tenant') return true;
  return route.fact.scope === 'channel' ? route.channelId === message.channel_id : route.endpointId === endpointId;
}

/** Routes that could take one of the messages: of its endpoint, its whole channel, or its tenant. */
async function findRoutes(
  trx: Transaction<Database>,
  messages: readonly Message[],
  endpoints: ReadonlyMap<string, string>,
): Promise<Map<string, FoundRoute[]>> {
  if (messages.length === 0) return new Map();
  const tenantIds = [...new Set(messages.map((message) => message.tenant_id))];
  const channelIds = [...new Set(messages.map((message) => message.channel_id))];
  type Row = Selectable<RoutesTable> & { scope: RouteFact['scope'] };
  const { rows } = await sql<Row>`
    select r.*, 'endpoint' as scope from routes r
      where r.tenant_id = any(${tenantIds}::uuid[]) and r.endpoint_id = any(${[...new Set(endpoints.values())]}::uuid[])
        and r.status = 'active'
    union all
    select r.*, 'channel' as scope from endpoints e
      join routes r on r.tenant_id = e.tenant_id and r.endpoint_id = e.id and r.status = 'active'
      where e.tenant_id = any(${tenantIds}::uuid[]) and e.channel_id = any(${channelIds}::uuid[]) and e.address = '*'
    union all
    select r.*, 'tenant' as scope from routes r
      where r.tenant_id = any(${tenantIds}::uuid[]) and r.endpoint_id is null and r.status = 'active'`.execute(trx);
  const byTenant = new Map<string, FoundRoute[]>();
  for (const row of rows) {
    const settings = readSettings(row.config);
    const found: FoundRoute = {
      channelId: row.channel_id,
      endpointId: row.endpoint_id,
      fact: {
        id: row.id,
        scope: row.scope,
        priority: row.priority,
        createdAt: row.created_at,
        handlerKind: row.handler_kind,
        targetKind: row.target_kind,
        targetId: row.target_id,
        allowedSenderPolicy: row.allowed_sender_policy,
        match: settings.match ?? null,
      },
      order: settings.order,
    };
    const others = byTenant.get(row.tenant_id);
    if (others) others.push(found);
    else byTenant.set(row.tenant_id, [found]);
  }
  return byTenant;
}

interface Decided {
  readonly message: Message;
  readonly decision: Decision;
  readonly endpointId: string | null;
  readonly order: RouteOrder | undefined;
}

/** Writes what was decided: the messages' status with its reasons, and a delivery for each that is routed. */
async function storeDecisions(
  trx: Transaction<Database>,
  decided: readonly Decided[],
  now: Date,
  orderOf: OrderOf,
): Promise<number> {
  if (decided.length === 0) return 0;
  const rows = decided.map(({ message, decision, endpointId, order }) => ({
    tenant_id: message.tenant_id,
    id: message.id,
    status: decision.status,
    endpoint_id: endpointId,
    trust_level: decision.trust.level,
    user_id: decision.identity?.userId ?? null,
    route_id: decision.route?.id ?? null,
    route_target: decision.status === 'routed' ? (decision.route?.targetKind ?? null) : null,
    route_target_id: decision.status === 'routed' ? (decision.route?.targetId ?? null) : null,
    decision: { ...decision, route: undefined, decidedAt: now },
    handler_kind: decision.route?.handlerKind ?? null,
    delivery_id: decision.status === 'routed' ? newId() : null,
    ordering_key: orderingKey(order ?? orderOf(decision.route?.handlerKind ?? ''), message),
  }));
  const routed = rows.filter((row) => row.delivery_id !== null);
  await lockKeys(trx, routed);
  await sql`
    with decided as (
      select * from json_to_recordset(${storableJson(rows)}::json) as d(
        tenant_id uuid, id uuid, status text, endpoint_id uuid, trust_level text, user_id text, route_id uuid,
        route_target text, route_target_id uuid, decision jsonb, handler_kind text, delivery_id uuid, ordering_key text)
    ), marked as (
      update inbound_messages m set status = d.status, endpoint_id = d.endpoint_id, trust_level = d.trust_level,
        user_id = d.user_id, route_id = d.route_id, route_target = d.route_target,
        route_target_id = d.route_target_id, decision = d.decision, updated_at = ${now}
      from decided d where m.tenant_id = d.tenant_id and m.id = d.id
    )
    insert into deliveries (tenant_id, id, message_id, route_id, target_id, handler_kind, ordering_key, seq, blocked)
    select d.tenant_id, d.delivery_id, d.id, d.route_id, d.route_target_id, d.handler_kind, d.ordering_key,
      case when d.ordering_key is not null then nextval('delivery_order') end,
      d.ordering_key is not null and (
        row_number() over (partition by d.tenant_id, d.ordering_key order by d.delivery_id) > 1
        or exists (select from deliveries u where u.tenant_id = d.tenant_id and u.ordering_key = d.ordering_key
          and u.state in ('pending', 'running', 'awaiting'))
        or exists (select from deliveries h where h.tenant_id = d.tenant_id and h.ordering_key = d.ordering_key
          and h.holds_key))
    from decided d where d.delivery_id is not null order by d.delivery_id`.execute(trx);
  return routed.length;
}
