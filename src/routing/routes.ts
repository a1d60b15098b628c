import { sql, type Kysely, type Selectable } from 'kysely';
import type { Database, RoutesTable } from '../db/schema.ts';
import { notFound } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';

/** A route with the address of the endpoint it is bound to; `*` where it is bound to none or to all. */
export type Route = Selectable<RoutesTable> & { address: string };

export interface NewRoute {
  readonly channelId: string | null;
  readonly endpointId: string | null;
  readonly handlerKind: string;
  readonly targetKind: string | null;
  readonly targetId: string | null;
  readonly workflowKey: string | null;
  readonly workspaceId: string | null;
  readonly threadId: string | null;
  readonly allowedSenderPolicy: Record<string, unknown>;
  readonly config: Record<string, unknown>;
  readonly priority: number;
}

export type RouteChange = Partial<
  Pick<NewRoute, 'targetKind' | 'targetId' | 'allowedSenderPolicy' | 'config' | 'priority'>
> & { readonly status?: 'active' | 'paused' };

function selectRoutes(db: Kysely<Database>, tenantId: string) {
  return db
    .selectFrom('routes')
    .leftJoin('endpoints', (join) =>
      join.onRef('endpoints.tenant_id', '=', 'routes.tenant_id').onRef('endpoints.id', '=', 'routes.endpoint_id'),
    )
    .selectAll('routes')
    .select(sql<string>`coalesce(endpoints.address, '*')`.as('address'))
    .where('routes.tenant_id', '=', tenantId)
    .where('routes.status', '!=', 'deleted');
}

/** Stores a route. Its parts were checked by whoever calls; see `http/routes.ts`. */
export async function insertRoute(db: Kysely<Database>, tenantId: string, route: NewRoute): Promise<Route> {
  const id = newId();
  await db
    .insertInto('routes')
    .values({
      tenant_id: tenantId,
      id,
      channel_id: route.channelId,
      endpoint_id: route.endpointId,
      handler_kind: route.handlerKind,
      target_kind: route.targetKind,
      target_id: route.targetId,
      workflow_key: route.workflowKey,
      workspace_id: route.workspaceId,
      thread_id: route.threadId,
      allowed_sender_policy: JSON.stringify(route.allowedSenderPolicy),
      config: JSON.stringify(route.config),
      priority: route.priority,
    })
    .execute();
  return await getRoute(db, tenantId, id);
}

/** Routes of a tenant, newest first. */
export async function listRoutes(
  db: Kysely<Database>,
  tenantId: string,
  page: { limit: number; cursor?: string | undefined },
): Promise<Route[]> {
  return await selectRoutes(db, tenantId)
    .$if(page.cursor !== undefined, (query) => query.where('routes.id', '<', page.cursor as string))
    .orderBy('routes.id', 'desc')
    .limit(page.limit)
    .execute();
}

/** @throws PostroomError `not_found`. */
export async function getRoute(db: Kysely<Database>, tenantId: string, id: string): Promise<Route> {
  const row = await selectRoutes(db, tenantId).where('routes.id', '=', id).executeTakeFirst();
  if (!row) throw notFound('route', ['path', 'routeId']);
  return row;
}

/** Changes a route for what arrives from now on. @throws PostroomError `not_found`. */
export async function updateRoute(
  db: Kysely<Database>,
  tenantId: string,
  id: string,
  change: RouteChange,
  now: Date,
): Promise<Route> {
  await db
    .updateTable('routes')
    .set({
      updated_at: now,
      ...(change.targetKind === undefined ? {} : { target_kind: change.targetKind }),
      ...(change.targetId === undefined ? {} : { target_id: change.targetId }),
      ...(change.priority === undefined ? {} : { priority: change.priority }),
      ...(change.status === undefined ? {} : { status: change.status }),
      ...(change.config === undefined ? {} : { config: JSON.stringify(change.config) }),
      ...(change.allowedSenderPolicy === undefined
        ? {}
        : { allowed_sender_policy: JSON.stringify(change.allowedSenderPolicy) }),
    })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .where('status', '!=', 'deleted')
    .execute();
  return await getRoute(db, tenantId, id);
}

/** Ends a route. What it has routed keeps running to its end. @throws PostroomError `not_found`. */
export async function deleteRoute(db: Kysely<Database>, tenantId: string, id: string, now: Date): Promise<void> {
  const row = await db
    .updateTable('routes')
    .set({ status: 'deleted', updated_at: now })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .where('status', '!=', 'deleted')
    .returning('id')
    .executeTakeFirst();
  if (!row) throw notFound('route', ['path', 'routeId']);
}
