import { sql, type Kysely, type RawBuilder, type Selectable } from 'kysely';
import type { z } from 'zod';
import { processedAt, withStatus } from '../db/message-status.ts';
import { viewColumns } from '../db/message-view.ts';
import type { Database, InboundMessagesTable, RoutesTable, TargetsTable } from '../db/schema.ts';
import type { Handler } from '../handler.ts';
import { traceIdOf } from '../lib/tracing.ts';
import { handlerConfig, readSettings } from '../routing/route-config.ts';
import type { Claim } from './claim.ts';
import { targetPolicy, type TargetPolicy } from './retry-policy.ts';

/** A message as a try needs it, and who it was taken to be from when it was routed. */
export type WorkMessage = Pick<
  Selectable<InboundMessagesTable>,
  (typeof viewColumns)[number] | 'traceparent' | 'blanked_at'
> & {
  readonly identity: {
    readonly linkId?: string;
    readonly agentSpecId?: string | null;
    readonly verified?: boolean;
  } | null;
};

const ownColumns = [...viewColumns, 'traceparent', 'blanked_at'] as const;

/** The columns of a `WorkMessage`, of `inbound_messages m`. */
export const workMessage = sql`${sql.join(ownColumns.map((column) => sql.ref(`m.${column}`)))},
  m.decision->'identity' as identity`;

/** Those beside its key, of a `WorkMessage m`. */
export const workMessageBody = sql.join(
  [...ownColumns.filter((column) => column !== 'id' && column !== 'tenant_id'), 'identity'].map((column) =>
    sql.ref(`m.${column}`),
  ),
);

const routeColumns = [
  'id',
  'handler_kind',
  'target_kind',
  'target_id',
  'workflow_key',
  'workspace_id',
  'thread_id',
  'config',
] as const satisfies readonly (keyof RoutesTable)[];
export type WorkRoute = Pick<Selectable<RoutesTable>, (typeof routeColumns)[number]>;

const targetColumns = [
  'tenant_id',
  'id',
  'kind',
  'name',
  'url',
  'secrets',
  'policy',
  'status',
] as const satisfies readonly (keyof TargetsTable)[];
export type WorkTarget = Pick<Selectable<TargetsTable>, (typeof targetColumns)[number] | 'breaker'>;

/** What deliveries share: few rows, which go as JSON. */
export interface Shared {
  readonly routes: readonly WorkRoute[] | null;
  readonly targets: readonly WorkTarget[] | null;
}

/**
 * SQL: `Shared`, as JSON, of an expression `claimed` with tenants, routes and targets.
 *
 * @param breaker what is shown as the state of `targets t`.
 */
export function sharedByClaimed(breaker: RawBuilder<unknown>): RawBuilder<Shared> {
  const of = (table: 'routes' | 'targets', alias: string, columns: RawBuilder<unknown>): RawBuilder<unknown> => {
    const key = sql.ref(table === 'routes' ? 'route_id' : 'target_id');
    return sql`(select json_agg(found) from (
      select ${columns} from ${sql.table(table)} ${sql.raw(alias)}
      where ${sql.ref(`${alias}.tenant_id`)} = any(array(select distinct tenant_id from claimed))
        and ${sql.ref(`${alias}.id`)} = any(array(select distinct ${key} from claimed))) found)`;
  };
  const refs = (alias: string, columns: readonly string[]): RawBuilder<unknown> =>
    sql.join(columns.map((column) => sql.ref(`${alias}.${column}`)));
  return sql`json_build_object('routes', ${of('routes', 'r', refs('r', routeColumns))},
    'targets', ${of('targets', 't', sql`${refs('t', targetColumns)}, ${breaker} as breaker`)})`;
}

/** What a claimed delivery is about, as far as it still exists. */
export interface Work {
  readonly claim: Claim;
  readonly message: WorkMessage | undefined;
  readonly route: WorkRoute | undefined;
  readonly target: WorkTarget | undefined;
}

/** Puts claims together with what they are about. */
export function assembleWork(
  claims: readonly Claim[],
  messages: ReadonlyMap<string, WorkMessage>,
  { routes, targets }: Shared,
): Work[] {
  const [routeById, targetById] = [byId(routes ?? []), byId(targets ?? [])];
  return claims.map((claim) => ({
    claim,
    message: messages.get(claim.message_id),
    route: claim.route_id === null ? undefined : routeById.get(claim.route_id),
    target: claim.target_id === null ? undefined : targetById.get(claim.target_id),
  }));
}

/** Loads what deliveries are about that were claimed before, and awaited something since. */
export async function loadWork(db: Kysely<Database>, claims: readonly Claim[]): Promise<Work[]> {
  const tenants = claims.map((claim) => claim.tenant_id);
  const [messages, shared] = await Promise.all([
    sql<WorkMessage & { processed_at: Date | null }>`
      select ${workMessage}, ${processedAt} from inbound_messages m
      where m.tenant_id = any(${[...new Set(tenants)]}::uuid[])
        and m.id = any(${claims.map((claim) => claim.message_id)}::uuid[])`.execute(db),
    sql<{ shared: Shared }>`
      with claimed as (
        select * from unnest(${tenants}::uuid[], ${claims.map((claim) => claim.route_id)}::uuid[],
          ${claims.map((claim) => claim.target_id)}::uuid[]) as c(tenant_id, route_id, target_id)
      ) select ${sharedByClaimed(sql`t.breaker`)} as shared`.execute(db),
  ]);
  return assembleWork(
    claims,
    byId(messages.rows.map(withStatus)),
    shared.rows[0]?.shared ?? { routes: [], targets: [] },
  );
}

function byId<Row extends { readonly id: string }>(rows: readonly Row[]): Map<string, Row> {
  return new Map(rows.map((row) => [row.id, row]));
}

const defaultPolicy = targetPolicy.parse({});
/** A batch's deliveries share the rows of their targets and routes: each is read once. */
const policies = new WeakMap<object, TargetPolicy>();
const configs = new WeakMap<object, z.ZodSafeParseResult<unknown>>();

/** The policy that a delivery is tried by. A target without one of its own gets the defaults. */
export function policyOf({ target }: Pick<Work, 'target'>): TargetPolicy {
  if (!target) return defaultPolicy;
  const known = policies.get(target) ?? targetPolicy.parse(target.policy);
  policies.set(target, known);
  return known;
}

export function configOf(handler: Handler, route: WorkRoute): z.ZodSafeParseResult<unknown> {
  const known = configs.get(route) ?? handler.config.safeParse(handlerConfig(route.config));
  configs.set(route, known);
  return known;
}

/** Whether a delivery that dies keeps its ordering key, so that the rest of it waits. */
export function holdsKey(work: Work): boolean {
  return work.claim.ordering_key !== null && readSettings(work.route?.config ?? {}).onDead === 'hold';
}

/** How long one try may take, in milliseconds: the target's word, else the handler's. */
export function timeoutOf(handlers: ReadonlyMap<string, Handler>, work: Work): number {
  if (work.target) return policyOf(work).timeoutMs;
  return handlers.get(work.claim.handler_kind)?.policy.timeoutMs ?? 30_000;
}

/** What every log line about a delivery says. */
export function logFields({ claim, message }: Work): Readonly<Record<string, unknown>> {
  const traceId = traceIdOf(message?.traceparent);
  return {
    deliveryId: claim.id,
    messageId: claim.message_id,
    channelId: message?.channel_id,
    attempt: claim.attempts,
    ...(traceId === undefined ? {} : { traceId }),
  };
}
