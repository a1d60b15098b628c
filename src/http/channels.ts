import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import {
  createChannel,
  deleteChannel,
  getChannel,
  listChannels,
  updateChannel,
  type Channel,
  type ChannelContext,
} from '../inbox/channels.ts';
import { rotateSecret } from '../inbox/rotate-secret.ts';
import { listRejections } from '../inbox/rejections.ts';
import { channelKinds } from '../lib/channel-kinds.ts';
import {
  body,
  createPart,
  cursorQuery,
  errors,
  freeObject,
  json,
  notFoundError,
  pageOf,
  security,
  timestamp,
} from './openapi.ts';
import type { ApiEnv, Services } from './services.ts';

const channelView = z
  .object({
    id: z.uuid(),
    kind: z.enum(channelKinds),
    provider: z.string(),
    name: z.string(),
    settings: freeObject,
    status: z.enum(['active', 'paused', 'deleted']),
    ingestUrl: z.string().openapi({ description: 'What to enter at the provider.' }),
    missingSecrets: z.array(z.string()).openapi({
      description:
        'Secrets that the provider shows only once it knows the URL: until rotate-secret has entered them, everything is refused.',
    }),
    createdAt: timestamp,
    updatedAt: timestamp,
  })
  .openapi('Channel');

const rejectionView = z
  .object({ minute: timestamp, reason: z.string(), count: z.int(), sample: freeObject })
  .openapi('Rejection');

const name = z.string().trim().min(1).max(200);
const channelCreate = z
  .object({
    provider: z.string().min(1).max(64),
    name,
    secrets: freeObject.optional(),
    settings: freeObject.optional(),
  })
  .openapi('ChannelCreate');
const channelChange = z
  .strictObject({
    name: name.optional(),
    settings: freeObject.optional(),
    status: z.enum(['active', 'paused']).optional(),
  })
  .openapi('ChannelChange');
const rotation = z
  .strictObject({
    secret: z.string().optional().openapi({ description: 'Which secret; may be left out where there is one.' }),
    value: z.string().min(1).max(4_096).optional(),
    graceSeconds: z.int().min(0).max(2_592_000).default(86_400),
  })
  .openapi('ChannelSecretRotation');

const param = z.object({ channelId: z.uuid() });
const tags = ['channels'];

/** `/api/v1/channels`: a tenant's connections to providers. */
export function channelRoutes(services: Services): OpenAPIHono<ApiEnv> {
  const { db, directory } = services;
  const context: ChannelContext = services;

  function showChannel(row: Channel, requestUrl: string) {
    return {
      id: row.id,
      kind: row.kind,
      provider: row.provider,
      name: row.name,
      settings: row.settings,
      status: row.status,
      ingestUrl: `${services.publicUrl ?? new URL(requestUrl).origin}/in/${row.id}`,
      missingSecrets: [...row.missingSecrets],
      createdAt: row.created_at.toISOString(),
      updatedAt: row.updated_at.toISOString(),
    };
  }

  return createPart()
    .openapi(
      createRoute({
        method: 'post',
        path: '/channels',
        tags,
        security,
        summary: 'Create channel',
        request: { body: body(channelCreate) },
        responses: {
          201: json(
            channelView.extend({
              secret: z.object({ name: z.string(), value: z.string() }).optional().openapi({
                description: 'Only where Postroom made the secret: shown in this answer and never again.',
              }),
            }),
            'The channel; secrets that were given never come back',
          ),
          ...errors,
        },
      }),
      async (c) => {
        const { provider, name: given, secrets, settings } = c.req.valid('json');
        const { channel, madeSecret } = await createChannel(context, c.var.caller.tenantId, {
          provider,
          name: given,
          secrets,
          settings,
        });
        directory.forget(channel.id);
        return c.json({ ...showChannel(channel, c.req.url), ...(madeSecret ? { secret: madeSecret } : {}) }, 201);
      },
    )
    .openapi(
      createRoute({
        method: 'get',
        path: '/channels',
        tags,
        security,
        summary: 'List channels',
        request: { query: cursorQuery },
        responses: { 200: json(pageOf(channelView), 'Channels, newest first'), ...errors },
      }),
      async (c) => {
        const page = await listChannels(context, c.var.caller.tenantId, c.req.valid('query'));
        return c.json(
          { items: page.items.map((row) => showChannel(row, c.req.url)), nextCursor: page.nextCursor },
          200,
        );
      },
    )
    .openapi(
      createRoute({
        method: 'get',
        path: '/channels/{channelId}',
        tags,
        security,
        summary: 'Get channel',
        request: { params: param },
        responses: { 200: json(channelView, 'The channel'), ...errors, ...notFoundError },
      }),
      async (c) => {
        const row = await getChannel(context, c.var.caller.tenantId, c.req.valid('param').channelId);
        return c.json(showChannel(row, c.req.url), 200);
      },
    )
    .openapi(
      createRoute({
        method: 'patch',
        path: '/channels/{channelId}',
        tags,
        security,
        summary: 'Change channel, pause it, or let it go on',
        description: 'A paused channel still takes in what arrives, and holds it until the channel goes on.',
        request: { params: param, body: body(channelChange) },
        responses: { 200: json(channelView, 'The channel'), ...errors, ...notFoundError },
      }),
      async (c) => {
        const { channelId } = c.req.valid('param');
        const row = await updateChannel(context, c.var.caller.tenantId, channelId, c.req.valid('json'));
        directory.forget(channelId);
        services.wakeRouter();
        return c.json(showChannel(row, c.req.url), 200);
      },
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/channels/{channelId}/pause',
        tags,
        security,
        summary: 'Pause channel',
        request: { params: param },
        responses: { 200: json(channelView, 'The channel, paused'), ...errors, ...notFoundError },
      }),
      async (c) => {
        const row = await updateChannel(context, c.var.caller.tenantId, c.req.valid('param').channelId, {
          status: 'paused',
        });
        return c.json(showChannel(row, c.req.url), 200);
      },
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/channels/{channelId}/resume',
        tags,
        security,
        summary: 'Let a paused channel go on',
        request: { params: param },
        responses: { 200: json(channelView, 'The channel, active'), ...errors, ...notFoundError },
      }),
      async (c) => {
        const row = await updateChannel(context, c.var.caller.tenantId, c.req.valid('param').channelId, {
          status: 'active',
        });
        services.wakeRouter();
        return c.json(showChannel(row, c.req.url), 200);
      },
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/channels/{channelId}/rotate-secret',
        tags,
        security,
        summary: 'Give a channel a new secret; the old one stays live beside it for graceSeconds',
        request: { params: param, body: body(rotation) },
        responses: {
          200: json(
            channelView.extend({
              secret: z.object({
                name: z.string(),
                value: z
                  .string()
                  .nullable()
                  .openapi({ description: 'Where Postroom made it: shown in this answer and never again.' }),
              }),
            }),
            'The channel',
          ),
          ...errors,
          ...notFoundError,
        },
      }),
      async (c) => {
        const { channelId } = c.req.valid('param');
        const { channel, secret, madeValue } = await rotateSecret(
          context,
          c.var.caller.tenantId,
          channelId,
          c.req.valid('json'),
        );
        directory.forget(channelId);
        return c.json({ ...showChannel(channel, c.req.url), secret: { name: secret, value: madeValue } }, 200);
      },
    )
    .openapi(
      createRoute({
        method: 'delete',
        path: '/channels/{channelId}',
        tags,
        security,
        summary: 'Delete channel',
        description: 'Its URL answers like one that never was, its routes end; messages that it brought stay.',
        request: { params: param },
        responses: { 204: { description: 'Deleted' }, ...errors, ...notFoundError },
      }),
      async (c) => {
        const { channelId } = c.req.valid('param');
        await deleteChannel(context, c.var.caller.tenantId, channelId);
        directory.forget(channelId);
        services.wakeRouter();
        return c.body(null, 204);
      },
    )
    .openapi(
      createRoute({
        method: 'get',
        path: '/channels/{channelId}/rejections',
        tags,
        security,
        summary: 'Why did nothing arrive? Refused requests, counted by minute and reason',
        request: { params: param },
        responses: {
          200: json(z.object({ items: z.array(rejectionView) }), 'The latest 200'),
          ...errors,
          ...notFoundError,
        },
      }),
      async (c) => {
        const { channelId } = c.req.valid('param');
        const { tenantId } = c.var.caller;
        await getChannel(context, tenantId, channelId);
        const rows = await listRejections(db, tenantId, channelId, 200);
        return c.json(
          {
            items: rows.map((row) => ({
              minute: row.minute.toISOString(),
              reason: row.reason,
              count: row.count,
              sample: row.sample as Record<string, unknown>,
            })),
          },
          200,
        );
      },
    );
}
