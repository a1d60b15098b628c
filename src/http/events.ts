import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { getEvent, listEvents, type EventSummary } from '../inbox/events.ts';
import { createPart, cursorQuery, errors, json, notFoundError, pageOf, security, timestamp } from './openapi.ts';
import type { ApiEnv, Services } from './services.ts';

const outcomes = ['accepted', 'duplicate', 'ignored', 'unparsed'] as const;

export const eventSummaryView = z
  .object({
    id: z.uuid(),
    channelId: z.uuid(),
    provider: z.string(),
    receivedAt: timestamp,
    method: z.string(),
    url: z.string(),
    outcome: z.enum(outcomes),
    reason: z.string().nullable(),
    ignored: z.array(z.object({ reason: z.string() })),
    deliveryId: z.string().nullable().openapi({ description: "The provider's id of this delivery." }),
  })
  .openapi('EventSummary');

const eventView = eventSummaryView
  .extend({
    headers: z.array(z.tuple([z.string(), z.string()])),
    bodyBase64: z.string().openapi({ description: 'The raw bytes, base64.' }),
    bodyText: z.string().nullable().openapi({ description: 'The body as text, where it is UTF-8.' }),
  })
  .openapi('Event');

export function showEventSummary(row: EventSummary) {
  return {
    id: row.id,
    channelId: row.channel_id,
    provider: row.provider,
    receivedAt: row.received_at.toISOString(),
    method: row.method,
    url: row.url,
    outcome: row.outcome,
    reason: row.reason,
    ignored: row.ignored,
    deliveryId: row.delivery_id,
  };
}

function utf8OrNull(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

const tags = ['events'];

/** `/api/v1/events`: verified requests as they came. */
export function eventRoutes({ db }: Services): OpenAPIHono<ApiEnv> {
  return createPart()
    .openapi(
      createRoute({
        method: 'get',
        path: '/events',
        tags,
        security,
        summary: 'List events',
        request: {
          query: cursorQuery.extend({ channelId: z.uuid().optional(), outcome: z.enum(outcomes).optional() }),
        },
        responses: { 200: json(pageOf(eventSummaryView), 'Events, newest first'), ...errors },
      }),
      async (c) => {
        const page = await listEvents(db, c.var.caller.tenantId, c.req.valid('query'));
        return c.json({ items: page.items.map(showEventSummary), nextCursor: page.nextCursor }, 200);
      },
    )
    .openapi(
      createRoute({
        method: 'get',
        path: '/events/{eventId}',
        tags,
        security,
        summary: 'Get an event with its headers and body',
        request: { params: z.object({ eventId: z.uuid() }) },
        responses: { 200: json(eventView, 'The event'), ...errors, ...notFoundError },
      }),
      async (c) => {
        const row = await getEvent(db, c.var.caller.tenantId, c.req.valid('param').eventId);
        return c.json(
          {
            ...showEventSummary(row),
            headers: row.headers,
            bodyBase64: Buffer.from(row.body).toString('base64'),
            bodyText: utf8OrNull(row.body),
          },
          200,
        );
      },
    );
}
