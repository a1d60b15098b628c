import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { handlerKinds } from '../handler.ts';
import { deleteRoute, getRoute, listRoutes, updateRoute, type Route } from '../routing/routes.ts';
import { bindRoute, checkConfig, checkPolicy, checkTarget, type RouteContext } from './bind-route.ts';
import { insertRoute } from '../routing/routes.ts';
import { body, createPart, errors, freeObject, json, notFoundError, security, timestamp } from './openapi.ts';
import type { ApiEnv, Services } from './services.ts';

const routeView = z
  .object({
    id: z.uuid(),
    address: z
      .string()
      .openapi({ description: 'What to write to; * where the route is for a whole channel or tenant.' }),
    channelId: z.uuid().nullable().openapi({ description: 'Null only for a route of the whole tenant.' }),
    endpointId: z.uuid().nullable().openapi({ description: 'Null only for a route of the whole tenant.' }),
    scope: z.enum(['endpoint', 'channel', 'tenant']),
    handlerKind: z.enum(handlerKinds),
    targetKind: z.string().nullable(),
    targetId: z.uuid().nullable(),
    workflowKey: z.string().nullable(),
    workspaceId: z.uuid().nullable(),
    threadId: z.uuid().nullable(),
    allowedSenderPolicy: freeObject,
    config: freeObject,
    priority: z.int(),
    status: z.enum(['active', 'paused', 'deleted']),
    createdAt: timestamp,
    updatedAt: timestamp,
  })
  .openapi('Route');

const priority = z.int().min(-1_000_000).max(1_000_000);
const routeCreate = z
  .object({
    handlerKind: z.enum(handlerKinds).default('process'),
    targetKind: z.string().min(1).max(64).nullish(),
    targetId: z.uuid().nullish(),
    workflowKey: z.string().max(255).nullish(),
    workspaceId: z.uuid().nullish(),
    threadId: z.uuid().nullish(),
    allowedSenderPolicy: freeObject.default({}),
    config: freeObject.default({}),
    endpointId: z.uuid().nullish().openapi({ description: 'Binds the route to this endpoint.' }),
    channelId: z
      .uuid()
      .nullish()
      .openapi({ description: 'Without an endpoint: binds the route to the whole channel.' }),
    scope: z.enum(['endpoint', 'channel', 'tenant']).optional().openapi({
      description:
        '`tenant` makes a route for whatever no other route takes. Left out, it follows from endpointId and channelId; with neither, the route gets an e-mail address of its own.',
    }),
    priority: priority.default(0).openapi({ description: 'Among routes of the same scope the higher one goes first.' }),
  })
  .openapi('RouteCreate');
const routeChange = z
  .strictObject({
    targetKind: z.string().min(1).max(64).nullable().optional(),
    targetId: z.uuid().nullable().optional(),
    allowedSenderPolicy: freeObject.optional(),
    config: freeObject.optional(),
    priority: priority.optional(),
    status: z.enum(['active', 'paused']).optional(),
  })
  .openapi('RouteChange');

function showRoute(row: Route) {
  return {
    id: row.id,
    address: row.address,
    channelId: row.channel_id,
    endpointId: row.endpoint_id,
    scope:
      row.endpoint_id === null
        ? ('tenant' as const)
        : row.address === '*'
          ? ('channel' as const)
          : ('endpoint' as const),
    handlerKind: row.handler_kind as (typeof handlerKinds)[number],
    targetKind: row.target_kind,
    targetId: row.target_id,
    workflowKey: row.workflow_key,
    workspaceId: row.workspace_id,
    threadId: row.thread_id,
    allowedSenderPolicy: row.allowed_sender_policy,
    config: row.config,
    priority: row.priority,
    status: row.status,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}

const param = z.object({ routeId: z.uuid() });
const tags = ['communications'];

/** `/api/v1/communications/routes`: which handler and target what arrives goes to. */
export function routeRoutes(services: Services): OpenAPIHono<ApiEnv> {
  const { db, now } = services;
  const context: RouteContext = services;

  return createPart()
    .openapi(
      createRoute({
        method: 'get',
        path: '/communications/routes',
        tags,
        security,
        summary: 'List routes',
        request: {
          query: z.object({ limit: z.coerce.number().int().min(1).max(100).default(50), cursor: z.uuid().optional() }),
        },
        responses: { 200: json(z.object({ items: z.array(routeView) }), 'Routes, newest first'), ...errors },
      }),
      async (c) => {
        const rows = await listRoutes(db, c.var.caller.tenantId, c.req.valid('query'));
        return c.json({ items: rows.map(showRoute) }, 200);
      },
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/communications/routes',
        tags,
        security,
        summary: 'Create route',
        request: { body: body(routeCreate) },
        responses: { 201: json(routeView, 'The route'), ...errors },
      }),
      async (c) => {
        const given = c.req.valid('json');
        const { tenantId } = c.var.caller;
        checkConfig(context, given.handlerKind, given.config);
        checkPolicy(given.allowedSenderPolicy);
        const target = await checkTarget(context, tenantId, given.targetId ?? null);
        const binding = await bindRoute(context, tenantId, given);
        const row = await insertRoute(db, tenantId, {
          ...binding,
          handlerKind: given.handlerKind,
          targetKind: given.targetKind ?? target?.kind ?? null,
          targetId: given.targetId ?? null,
          workflowKey: given.workflowKey ?? null,
          workspaceId: given.workspaceId ?? null,
          threadId: given.threadId ?? null,
          allowedSenderPolicy: given.allowedSenderPolicy,
          config: given.config,
          priority: given.priority,
        });
        return c.json(showRoute(row), 201);
      },
    )
    .openapi(
      createRoute({
        method: 'get',
        path: '/communications/routes/{routeId}',
        tags,
        security,
        summary: 'Get route',
        request: { params: param },
        responses: { 200: json(routeView, 'The route'), ...errors, ...notFoundError },
      }),
      async (c) => c.json(showRoute(await getRoute(db, c.var.caller.tenantId, c.req.valid('param').routeId)), 200),
    )
    .openapi(
      createRoute({
        method: 'patch',
        path: '/communications/routes/{routeId}',
        tags,
        security,
        summary: 'Change route',
        description: 'Holds for what arrives from now on; what was routed before keeps to what it was routed by.',
        request: { params: param, body: body(routeChange) },
        responses: { 200: json(routeView, 'The route'), ...errors, ...notFoundError },
      }),
      async (c) => {
        const { tenantId } = c.var.caller;
        const { routeId } = c.req.valid('param');
        const change = c.req.valid('json');
        const current = await getRoute(db, tenantId, routeId);
        if (change.config !== undefined) checkConfig(context, current.handler_kind, change.config);
        if (change.allowedSenderPolicy !== undefined) checkPolicy(change.allowedSenderPolicy);
        if (change.targetId !== undefined) await checkTarget(context, tenantId, change.targetId);
        return c.json(showRoute(await updateRoute(db, tenantId, routeId, definedOnly(change), now())), 200);
      },
    )
    .openapi(
      createRoute({
        method: 'delete',
        path: '/communications/routes/{routeId}',
        tags,
        security,
        summary: 'Delete route',
        request: { params: param },
        responses: { 204: { description: 'Deleted' }, ...errors, ...notFoundError },
      }),
      async (c) => {
        await deleteRoute(db, c.var.caller.tenantId, c.req.valid('param').routeId, now());
        return c.body(null, 204);
      },
    );
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function definedOnly<T extends object>(given: T): Defined<T> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Defined<T>;
}
