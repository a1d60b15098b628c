import { sql, type Kysely, type RawBuilder, type Selectable } from 'kysely';
import { processedAt, withStatus } from '../db/message-status.ts';
import { showMessage, viewColumns } from '../db/message-view.ts';
import type { z } from 'zod';
import type { Database, InboundMessagesTable, RoutesTable, TargetsTable } from '../db/schema.ts';
import { AwaitingCallback, type Handler, type HandlerContext, type HandlerRun } from '../handler.ts';
import { PermanentError } from '../lib/errors.ts';
import { withFields, type Logger } from '../lib/logger.ts';
import type { SafeFetch } from '../lib/safe-fetch.ts';
import type { Sealer } from '../lib/sealing.ts';
import { noTracing, traceIdOf, type TracedSpan, type Tracing } from '../lib/tracing.ts';
import { callbackToken } from './callback-token.ts';
import type { Claim } from './claim.ts';
import { postToTarget } from './post-to-target.ts';
import { targetPolicy, type TargetPolicy } from './retry-policy.ts';
import { handlerConfig, readSettings } from '../routing/route-config.ts';
import { openTargetSecrets } from './targets.ts';

const longestWaitMs = 30 * 86_400_000;

const messageColumns = sql`${sql.join([...viewColumns, 'traceparent', 'blanked_at'].map((column) => sql.ref(`m.${column}`)))},
  m.decision->'identity' as identity`;

/** A message, and who it was taken to be from when it was routed. */
type WorkMessage = Pick<
  Selectable<InboundMessagesTable>,
  (typeof viewColumns)[number] | 'traceparent' | 'blanked_at'
> & {
  readonly identity: {
    readonly linkId?: string;
    readonly agentSpecId?: string | null;
    readonly verified?: boolean;
  } | null;
};

/** What a claimed delivery is about, as far as it still exists. */
export interface Work {
  readonly claim: Claim;
  readonly message: WorkMessage | undefined;
  readonly route: Selectable<RoutesTable> | undefined;
  readonly target: Selectable<TargetsTable> | undefined;
}

/** Loads what a batch of claims is about: three queries, whatever the batch's size. */
export async function loadWork(db: Kysely<Database>, claims: readonly Claim[]): Promise<Work[]> {
  const tenants = unique(claims.map((claim) => claim.tenant_id));
  const [messages, routes, targets] = await Promise.all([
    loadMessages(db, tenants, claims),
    loadByIds(
      db,
      'routes',
      tenants,
      claims.map((claim) => claim.route_id),
    ),
    loadByIds(
      db,
      'targets',
      tenants,
      claims.map((claim) => claim.target_id),
    ),
  ]);
  const byId = <Row extends { id: string }>(rows: readonly Row[]) => new Map(rows.map((row) => [row.id, row]));
  const [messageById, routeById, targetById] = [byId(messages), byId(routes), byId(targets)];
  return claims.map((claim) => ({
    claim,
    message: messageById.get(claim.message_id),
    route: claim.route_id === null ? undefined : routeById.get(claim.route_id),
    target: claim.target_id === null ? undefined : targetById.get(claim.target_id),
  }));
}

async function loadMessages(
  db: Kysely<Database>,
  tenants: readonly string[],
  claims: readonly Claim[],
): Promise<WorkMessage[]> {
  const ids = claims.map((claim) => claim.message_id);
  const from = sql`from inbound_messages m where ${isAmong('m.tenant_id', tenants)} and ${isAmong('m.id', ids)}`;
  // Only what is repeated may have been delivered before.
  if (!claims.some((claim) => claim.replay_of !== null)) {
    const plain = await sql<WorkMessage>`/* prepare load_messages */ select ${messageColumns} ${from}`.execute(db);
    return plain.rows;
  }
  const { rows } = await sql<WorkMessage & { processed_at: Date | null }>`
    select ${messageColumns}, ${processedAt} ${from}`.execute(db);
  return rows.map(withStatus);
}

async function loadByIds<Table extends 'routes' | 'targets'>(
  db: Kysely<Database>,
  table: Table,
  tenants: readonly string[],
  ids: readonly (string | null)[],
): Promise<Selectable<Database[Table]>[]> {
  const wanted = unique(ids.filter((id) => id !== null));
  if (wanted.length === 0) return [];
  const query = db
    .selectFrom(table as 'routes')
    .selectAll()
    .where(isAmong('tenant_id', tenants))
    .where(isAmong('id', wanted));
  return (await query.execute()) as unknown as Selectable<Database[Table]>[];
}

/** As one parameter: hundreds of them take longer to read than the rows. */
function isAmong(column: string, ids: readonly string[]): RawBuilder<boolean> {
  return sql`${sql.ref(column)} = any(${ids}::uuid[])`;
}

function unique(ids: readonly string[]): string[] {
  return [...new Set(ids)];
}

export interface RunContext {
  readonly handlers: ReadonlyMap<string, Handler>;
  readonly safeFetch: SafeFetch;
  readonly sealer: Sealer;
  readonly logger: Logger;
  readonly now: () => Date;
  /** Where targets call back: the public URL, without a slash at the end. */
  readonly callbackBase: string;
  readonly tracing?: Tracing;
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

function configOf(handler: Handler, route: Selectable<RoutesTable>): z.ZodSafeParseResult<unknown> {
  const known = configs.get(route) ?? handler.config.safeParse(handlerConfig(route.config));
  configs.set(route, known);
  return known;
}

/** Whether a delivery that dies keeps its ordering key, so that the rest of it waits. */
export function holdsKey(work: Work): boolean {
  return work.claim.ordering_key !== null && readSettings(work.route?.config ?? {}).onDead === 'hold';
}

/** How long one try may take, in milliseconds: the target's word, else the handler's. */
export function timeoutOf(context: RunContext, work: Work): number {
  if (work.target) return policyOf(work).timeoutMs;
  return context.handlers.get(work.claim.handler_kind)?.policy.timeoutMs ?? 30_000;
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

/**
 * Runs a delivery's handler once, in a span of the message's trace. Returns the handler's result.
 *
 * @throws PermanentError where what it needs is gone; else whatever the handler throws.
 */
export async function runDelivery(
  context: RunContext,
  work: Work,
  signal: AbortSignal,
): Promise<Record<string, unknown> | AwaitingCallback> {
  const span = startSpan(context, work);
  // A handler that does not listen may never end; its span ends with its time.
  const giveUp = (): void => span.end({ error: { code: 'aborted' } });
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    const result = await runHandler(context, work, signal, span);
    span.set({ 'postroom.awaiting': result instanceof AwaitingCallback });
    span.end();
    return result;
  } catch (error) {
    span.end({ error });
    throw error;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

function startSpan(context: RunContext, { claim, message }: Work): TracedSpan {
  return (context.tracing ?? noTracing).start(`deliver ${claim.handler_kind}`, {
    kind: 'client',
    parent: message?.traceparent,
    attributes: {
      'postroom.delivery.id': claim.id,
      'postroom.message.id': claim.message_id,
      'postroom.target.id': claim.target_id,
      'postroom.attempt': claim.attempts,
      'postroom.replay_of': claim.replay_of,
    },
  });
}

async function runHandler(
  context: RunContext,
  work: Work,
  signal: AbortSignal,
  span: TracedSpan,
): Promise<Record<string, unknown> | AwaitingCallback> {
  const { claim, message, route, target } = work;
  const handler = context.handlers.get(claim.handler_kind);
  if (!handler) throw new PermanentError('handler_gone', `there is no handler of kind ${claim.handler_kind}`);
  if (!message) throw new PermanentError('message_gone', 'the message is no more');
  if (message.blanked_at) throw new PermanentError('message_blanked', 'the message has lost its text to retention');
  if (!route) throw new PermanentError('route_gone', 'the route is no more');
  if (claim.target_id !== null && (!target || target.status === 'deleted')) {
    throw new PermanentError('target_deleted', 'the target was deleted');
  }
  const config = configOf(handler, route);
  if (!config.success) throw new PermanentError('config_invalid', `the route's config: ${config.error.message}`);

  return await handler.run({
    message: showMessage(message),
    identity: showIdentity(message),
    route: {
      id: route.id,
      handlerKind: route.handler_kind,
      targetKind: route.target_kind,
      targetId: route.target_id,
      workflowKey: route.workflow_key,
      workspaceId: route.workspace_id,
      threadId: route.thread_id,
    },
    target: target ? { id: target.id, kind: target.kind, name: target.name } : null,
    delivery: {
      id: claim.id,
      attempt: claim.attempts,
      replayOf: claim.replay_of,
      createdAt: claim.created_at.toISOString(),
    },
    config: config.data,
    ctx: createHandlerContext(context, work, signal, span),
  });
}

function showIdentity(message: WorkMessage): HandlerRun<unknown>['identity'] {
  return {
    externalIdentity: message.external_identity,
    trustLevel: message.trust_level,
    userId: message.user_id,
    agentSpecId: message.identity?.agentSpecId ?? null,
    linkId: message.identity?.linkId ?? null,
    verified: message.identity?.verified ?? false,
  };
}

function createHandlerContext(context: RunContext, work: Work, signal: AbortSignal, span: TracedSpan): HandlerContext {
  const { claim, target } = work;
  return {
    idempotencyKey: claim.id,
    signal,
    log: withFields(context.logger, logFields(work)),
    callbackUrl: () => `${context.callbackBase}/callbacks/${callbackToken(context.sealer, claim)}`,
    awaitCallback({ deadlineMs, onDeadline = 'retry' }) {
      return new AwaitingCallback(Math.min(Math.max(deadlineMs, 0), longestWaitMs), onDeadline);
    },
    async deliver({ type, data }) {
      if (!target) throw new PermanentError('no_target', 'the route has no target');
      const now = context.now();
      const answer = await postToTarget(
        context.safeFetch,
        {
          url: target.url,
          secrets: openTargetSecrets(context.sealer, claim.tenant_id, target.id, target.secrets, now),
          id: claim.id,
          // The time of the message's booking, so that the body is the same at every try but for the attempt.
          body: JSON.stringify({ type, timestamp: claim.created_at.toISOString(), data }),
          timeoutMs: timeoutOf(context, work),
          signal,
          traceparent: span.traceparent,
        },
        context.now,
      ).catch((error: unknown) => {
        const { status } = (error as { details?: { status?: unknown } }).details ?? {};
        if (typeof status === 'number') span.set({ 'http.response.status_code': status });
        throw error;
      });
      span.set({ 'http.response.status_code': answer.status });
      return answer;
    },
  };
}
