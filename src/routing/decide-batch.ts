import { sql, type Kysely, type Selectable } from 'kysely';
import type { Database, InboundMessagesTable, RoutesTable } from '../db/schema.ts';
import { normalizeIdentity } from '../lib/identity.ts';
import { decideRoute, type Decision, type IdentityFact, type RouteFact } from './decide.ts';
import { readSettings, type RouteOrder } from './route-config.ts';

export type Message = Selectable<InboundMessagesTable>;

/** A message with what was decided about it. */
export interface Decided {
  readonly message: Message;
  readonly decision: Decision;
  readonly endpointId: string | null;
  /** How the deciding route wants its deliveries ordered, where it says. */
  readonly order: RouteOrder | undefined;
}

/**
 * Decides messages by the links and routes that are there now. Nothing is written. Three queries,
 * however many messages, links or routes there are.
 */
export async function decideMessages(db: Kysely<Database>, messages: readonly Message[]): Promise<Decided[]> {
  const endpoints = await findEndpoints(db, messages);
  const identities = await findIdentities(db, messages);
  const routes = await findRoutes(db, messages, endpoints);
  return messages.map((message) => {
    const endpoint = endpoints.get(addressKey(message));
    const candidates = candidatesOf(routes, message, endpoint);
    const identity = identities.get(identityKey(message.tenant_id, message.channel, message.external_identity)) ?? null;
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
}

function addressKey(message: Message): string {
  return `${message.tenant_id} ${message.channel_id} ${message.recipient ?? ''}`;
}

function identityKey(tenantId: string, channel: string, identity: string): string {
  return `${tenantId} ${channel} ${identity}`;
}

/** The endpoint that each message was written to, by `addressKey`. */
async function findEndpoints(db: Kysely<Database>, messages: readonly Message[]): Promise<Map<string, string>> {
  const wanted = messages.filter((message) => message.recipient !== null);
  if (wanted.length === 0) return new Map();
  const { rows } = await sql<{ id: string; tenant_id: string; channel_id: string; address: string }>`
    select e.id, e.tenant_id, e.channel_id, e.address
    from unnest(${wanted.map((m) => m.tenant_id)}::uuid[], ${wanted.map((m) => m.channel_id)}::uuid[],
      ${wanted.map((m) => normalizeIdentity(m.channel, m.recipient ?? ''))}::text[]) as w(tenant_id, channel_id, address)
    join endpoints e on e.tenant_id = w.tenant_id and e.channel_id = w.channel_id and e.address = w.address
    where e.address <> '*'`.execute(db);
  const byAddress = new Map(rows.map((row) => [`${row.tenant_id} ${row.channel_id} ${row.address}`, row.id]));
  const found = new Map<string, string>();
  for (const message of wanted) {
    const address = normalizeIdentity(message.channel, message.recipient ?? '');
    const id = byAddress.get(`${message.tenant_id} ${message.channel_id} ${address}`);
    if (id !== undefined) found.set(addressKey(message), id);
  }
  return found;
}

async function findIdentities(db: Kysely<Database>, messages: readonly Message[]): Promise<Map<string, IdentityFact>> {
  if (messages.length === 0) return new Map();
  const { rows } = await sql<IdentityFact & { tenantId: string; channel: string; externalIdentity: string }>`
    select distinct l.tenant_id as "tenantId", l.channel, l.external_identity as "externalIdentity",
      l.id as "linkId", l.user_id as "userId", l.agent_spec_id as "agentSpecId", l.verified
    from unnest(${messages.map((m) => m.tenant_id)}::uuid[], ${messages.map((m) => m.channel)}::text[],
      ${messages.map((m) => m.external_identity)}::text[]) as w(tenant_id, channel, external_identity)
    join identity_links l on l.tenant_id = w.tenant_id and l.channel = w.channel
      and l.external_identity = w.external_identity`.execute(db);
  return new Map(
    rows.map(({ tenantId, channel, externalIdentity, ...fact }) => [
      identityKey(tenantId, channel, externalIdentity),
      fact,
    ]),
  );
}

interface FoundRoute {
  readonly fact: RouteFact;
  readonly order: RouteOrder | undefined;
}

/** Routes by what they are bound to: an endpoint, a channel, or a tenant. */
type FoundRoutes = ReadonlyMap<string, readonly FoundRoute[]>;

function candidatesOf(routes: FoundRoutes, message: Message, endpointId: string | undefined): FoundRoute[] {
  const { tenant_id: tenantId, channel_id: channelId } = message;
  return [
    ...((endpointId === undefined ? undefined : routes.get(bound(tenantId, 'endpoint', endpointId))) ?? []),
    ...(routes.get(bound(tenantId, 'channel', channelId)) ?? []),
    ...(routes.get(bound(tenantId, 'tenant', null)) ?? []),
  ];
}

function bound(tenantId: string, scope: RouteFact['scope'], id: string | null): string {
  return `${tenantId} ${scope} ${id ?? ''}`;
}

const routeColumns = sql`r.tenant_id, r.id, r.channel_id, r.endpoint_id, r.priority, r.created_at, r.handler_kind,
  r.target_kind, r.target_id, r.allowed_sender_policy, r.config`;

/** Routes that could take one of the messages: of its endpoint, its whole channel, or its tenant. */
async function findRoutes(
  db: Kysely<Database>,
  messages: readonly Message[],
  endpoints: ReadonlyMap<string, string>,
): Promise<FoundRoutes> {
  if (messages.length === 0) return new Map();
  const tenantIds = [...new Set(messages.map((message) => message.tenant_id))];
  const channelIds = [...new Set(messages.map((message) => message.channel_id))];
  type Row = Selectable<RoutesTable> & { scope: RouteFact['scope'] };
  const { rows } = await sql<Row>`
    select ${routeColumns}, 'endpoint' as scope from routes r
      where r.tenant_id = any(${tenantIds}::uuid[]) and r.endpoint_id = any(${[...new Set(endpoints.values())]}::uuid[])
        and r.status = 'active'
    union all
    select ${routeColumns}, 'channel' as scope from endpoints e
      join routes r on r.tenant_id = e.tenant_id and r.endpoint_id = e.id and r.status = 'active'
      where e.tenant_id = any(${tenantIds}::uuid[]) and e.channel_id = any(${channelIds}::uuid[]) and e.address = '*'
    union all
    select ${routeColumns}, 'tenant' as scope from routes r
      where r.tenant_id = any(${tenantIds}::uuid[]) and r.endpoint_id is null and r.status = 'active'`.execute(db);
  const found = new Map<string, FoundRoute[]>();
  for (const row of rows) {
    const settings = readSettings(row.config);
    const ids = { endpoint: row.endpoint_id, channel: row.channel_id, tenant: null };
    const key = bound(row.tenant_id, row.scope, ids[row.scope]);
    const route: FoundRoute = {
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
    const others = found.get(key);
    if (others) others.push(route);
    else found.set(key, [route]);
  }
  return found;
}
