import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { createEndpoint, listEndpoints, type Endpoint } from '../inbox/endpoints.ts';
import {
  body,
  conflictError,
  createPart,
  cursorQuery,
  errors,
  json,
  notFoundError,
  pageOf,
  security,
  timestamp,
} from './openapi.ts';
import type { ApiEnv, Services } from './services.ts';

const endpointView = z
  .object({
    id: z.uuid(),
    channelId: z.uuid(),
    address: z.string(),
    displayName: z.string().nullable(),
    createdAt: timestamp,
    updatedAt: timestamp,
  })
  .openapi('Endpoint');

function showEndpoint(row: Endpoint) {
  return {
    id: row.id,
    channelId: row.channel_id,
    address: row.address,
    displayName: row.display_name,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}

const param = z.object({ channelId: z.uuid() });
const tags = ['channels'];

/** `/api/v1/channels/{channelId}/endpoints`: the addresses on a channel. */
export function endpointRoutes({ db }: Services): OpenAPIHono<ApiEnv> {
  return createPart()
    .openapi(
      createRoute({
        method: 'post',
        path: '/channels/{channelId}/endpoints',
        tags,
        security,
        summary: 'Create endpoint',
        request: {
          params: param,
          body: body(
            z
              .object({
                address: z
                  .string()
                  .trim()
                  .min(1)
                  .max(512)
                  .openapi({ description: 'One address on the channel, or * for all of them.' }),
                displayName: z.string().max(200).nullish(),
              })
              .openapi('EndpointCreate'),
          ),
        },
        responses: { 201: json(endpointView, 'The endpoint'), ...errors, ...notFoundError, ...conflictError },
      }),
      async (c) => {
        const { address, displayName } = c.req.valid('json');
        const row = await createEndpoint(db, c.var.caller.tenantId, c.req.valid('param').channelId, {
          address,
          displayName: displayName ?? null,
        });
        return c.json(showEndpoint(row), 201);
      },
    )
    .openapi(
      createRoute({
        method: 'get',
        path: '/channels/{channelId}/endpoints',
        tags,
        security,
        summary: 'List endpoints',
        request: { params: param, query: cursorQuery },
        responses: { 200: json(pageOf(endpointView), 'Endpoints, newest first'), ...errors, ...notFoundError },
      }),
      async (c) => {
        const page = await listEndpoints(
          db,
          c.var.caller.tenantId,
          c.req.valid('param').channelId,
          c.req.valid('query'),
        );
        return c.json({ items: page.items.map(showEndpoint), nextCursor: page.nextCursor }, 200);
      },
    );
}
