import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { cancelDelivery } from '../outbox/cancel.ts';
import {
  getDelivery,
  listDeliveries,
  replayDelivery,
  waitingFor,
  type Attempt,
  type Delivery,
} from '../outbox/deliveries.ts';
import { deliveryFilter, deliveryStates } from '../outbox/delivery-filter.ts';
import { checkTarget } from './bind-route.ts';
import {
  conflictError,
  createPart,
  cursorQuery,
  errors,
  freeObject,
  json,
  notFoundError,
  optionalBody,
  pageOf,
  refuseOtherBody,
  security,
  timestamp,
} from './openapi.ts';
import type { ApiEnv, Services } from './services.ts';

export const attemptView = z
  .object({
    number: z.int(),
    outcome: z.enum(['succeeded', 'retry', 'dead', 'awaiting', 'superseded', 'lease_expired']),
    statusCode: z.int().nullable(),
    error: freeObject.nullable(),
    response: z.string().nullable().openapi({ description: "The beginning of the target's answer." }),
    worker: z.string(),
    startedAt: timestamp,
    durationMs: z.int(),
  })
  .openapi('Attempt');

export const deliveryView = z
  .object({
    id: z.uuid(),
    messageId: z.uuid(),
    routeId: z.uuid().nullable(),
    targetId: z.uuid().nullable(),
    handlerKind: z.string(),
    state: z.enum(deliveryStates),
    waitingFor: z
      .enum(['time', 'worker', 'order', 'target_paused', 'target_breaker', 'callback'])
      .nullable()
      .openapi({ description: 'Why it does not run now; null where it runs or has ended.' }),
    orderingKey: z.string().nullable().openapi({ description: 'Deliveries with the same key follow each other.' }),
    holdsKey: z.boolean().openapi({ description: 'It is dead, and what follows with its key waits for a replay.' }),
    deadline: timestamp.nullable().openapi({ description: 'Until when it awaits a callback.' }),
    attemptCount: z.int(),
    nextAttemptAt: timestamp.nullable(),
    replayOf: z.uuid().nullable(),
    result: freeObject.nullable(),
    error: freeObject.nullable(),
    createdAt: timestamp,
    updatedAt: timestamp,
    finishedAt: timestamp.nullable(),
  })
  .openapi('Delivery');

export function showAttempt(row: Attempt) {
  return {
    number: row.number,
    outcome: row.outcome,
    statusCode: row.status_code,
    error: row.error as Record<string, unknown> | null,
    response: row.response,
    worker: row.worker,
    startedAt: row.started_at.toISOString(),
    durationMs: row.duration_ms,
  };
}

export function showDelivery(row: Delivery) {
  return {
    id: row.id,
    messageId: row.message_id,
    routeId: row.route_id,
    targetId: row.target_id,
    handlerKind: row.handler_kind,
    state: row.state,
    waitingFor: waitingFor(row, new Date()),
    orderingKey: row.ordering_key,
    holdsKey: row.holds_key,
    deadline: row.state === 'awaiting' ? row.run_at.toISOString() : null,
    attemptCount: row.attempts,
    nextAttemptAt: row.state === 'pending' && !row.blocked ? row.run_at.toISOString() : null,
    replayOf: row.replay_of,
    result: row.result as Record<string, unknown> | null,
    error: row.error as Record<string, unknown> | null,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    finishedAt: row.finished_at?.toISOString() ?? null,
  };
}

const param = z.object({ deliveryId: z.uuid() });
const filter = cursorQuery.extend(deliveryFilter.shape);
const tags = ['deliveries'];

/** `/api/v1/deliveries`: what leaves, with its attempts. */
export function deliveryRoutes(services: Services): OpenAPIHono<ApiEnv> {
  const { db, wakeOutbox } = services;
  return createPart()
    .openapi(
      createRoute({
        method: 'get',
        path: '/deliveries',
        tags,
        security,
        summary: 'List deliveries',
        request: { query: filter },
        responses: { 200: json(pageOf(deliveryView), 'Deliveries, newest first'), ...errors },
      }),
      async (c) => {
        const page = await listDeliveries(db, c.var.caller.tenantId, c.req.valid('query'));
        return c.json({ items: page.items.map(showDelivery), nextCursor: page.nextCursor }, 200);
      },
    )
    .openapi(
      createRoute({
        method: 'get',
        path: '/deliveries/{deliveryId}',
        tags,
        security,
        summary: 'Get a delivery with its attempts',
        request: { params: param },
        responses: {
          200: json(deliveryView.extend({ attempts: z.array(attemptView) }), 'The delivery'),
          ...errors,
          ...notFoundError,
        },
      }),
      async (c) => {
        const { delivery, attempts } = await getDelivery(db, c.var.caller.tenantId, c.req.valid('param').deliveryId);
        return c.json({ ...showDelivery(delivery), attempts: attempts.map(showAttempt) }, 200);
      },
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/deliveries/{deliveryId}/replay',
        tags,
        security,
        summary: 'Repeat a delivery that has ended, as a new delivery with an id of its own',
        request: {
          params: param,
          body: optionalBody(
            z.strictObject({
              targetId: z.uuid().optional().openapi({ description: 'Where it goes, instead of where it went.' }),
            }),
          ),
        },
        responses: { 201: json(deliveryView, 'The new delivery'), ...errors, ...notFoundError, ...conflictError },
      }),
      async (c) => {
        const { tenantId } = c.var.caller;
        await refuseOtherBody(c);
        const { targetId } = c.req.valid('json');
        await checkTarget(services, tenantId, targetId ?? null);
        const row = await replayDelivery(db, tenantId, c.req.valid('param').deliveryId, targetId);
        wakeOutbox();
        return c.json(showDelivery(row), 201);
      },
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/deliveries/{deliveryId}/cancel',
        tags,
        security,
        summary: 'Cancel a delivery that waits, or awaits a callback',
        request: { params: param },
        responses: { 200: json(deliveryView, 'The delivery'), ...errors, ...notFoundError, ...conflictError },
      }),
      async (c) => {
        const row = await cancelDelivery(db, c.var.caller.tenantId, c.req.valid('param').deliveryId);
        wakeOutbox();
        return c.json(showDelivery(row), 200);
      },
    );
}
