import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { findEventSummary } from '../inbox/events.ts';
import { getMessage, listMessages } from '../inbox/messages.ts';
import { showMessage } from '../db/message-view.ts';
import { channelKinds } from '../lib/channel-kinds.ts';
import {
  createIdentityLink,
  deleteIdentityLink,
  listIdentityLinks,
  verifyIdentityLink,
  type IdentityLink,
} from '../routing/identity-links.ts';
import { listAttempts, listMessageDeliveries } from '../outbox/deliveries.ts';
import { attemptView, deliveryView, showAttempt, showDelivery } from './deliveries.ts';
import { eventSummaryView, showEventSummary } from './events.ts';
import {
  body,
  conflictError,
  createPart,
  errors,
  freeObject,
  json,
  notFoundError,
  security,
  timestamp,
} from './openapi.ts';
import type { ApiEnv, Services } from './services.ts';

const offsetQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(100),
  offset: z.coerce.number().int().min(0).max(1_000_000_000).default(0),
});

const identityLink = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    channel: z.enum(channelKinds),
    externalIdentity: z.string(),
    userId: z.string(),
    agentSpecId: z.string().nullable(),
    verified: z.boolean(),
    metadata: freeObject,
    createdAt: timestamp,
    updatedAt: timestamp,
  })
  .openapi('IdentityLink');

const identityLinkCreate = z
  .object({
    channel: z.enum(channelKinds),
    externalIdentity: z.string().trim().min(1).max(512),
    userId: z.string().min(1).max(255),
    agentSpecId: z.string().max(255).nullish(),
    verified: z.boolean().default(false),
  })
  .openapi('IdentityLinkCreate');

const inboundMessage = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    channel: z.enum(channelKinds),
    channelMessageId: z.string().nullable(),
    channelThreadId: z.string().nullable(),
    externalIdentity: z.string(),
    text: z.string().nullable(),
    attachments: z.array(freeObject),
    channelMetadata: freeObject,
    idempotencyKey: z.string(),
    status: z.enum(['received', 'routed', 'processed', 'failed', 'unrouted', 'rejected']),
    trustLevel: z.enum(['verified', 'unverified', 'unknown']),
    userId: z.string().nullable(),
    routeTarget: z.string().nullable(),
    routeTargetId: z.string().nullable(),
    chatThreadId: z.string().nullable(),
    chatTurnId: z.string().nullable(),
    error: freeObject.nullable(),
    createdAt: timestamp,
    updatedAt: timestamp,
    eventId: z.uuid(),
    channelId: z.uuid(),
    endpointId: z.uuid().nullable(),
    routeId: z.uuid().nullable(),
    displayName: z.string().nullable(),
    recipient: z.string().nullable(),
    sentAt: timestamp.nullable(),
    vouched: z.boolean(),
  })
  .openapi('InboundMessage');

const trace = z
  .object({
    message: inboundMessage,
    event: eventSummaryView.nullable().openapi({ description: 'Null once retention has dropped it.' }),
    decision: freeObject.nullable().openapi({
      description:
        'Which identity matched, how far it is trusted, which routes were considered, which one won and why.',
    }),
    deliveries: z.array(deliveryView.extend({ attempts: z.array(attemptView) })),
  })
  .openapi('MessageTrace');

function showLink(row: IdentityLink) {
  return {
    id: row.id,
    tenantId: row.tenant_id,
    channel: row.channel,
    externalIdentity: row.external_identity,
    userId: row.user_id,
    agentSpecId: row.agent_spec_id,
    verified: row.verified,
    metadata: row.metadata,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}

const linkParam = z.object({ link_id: z.uuid() });
const messageParam = z.object({ message_id: z.uuid() });
const tags = ['inbound'];

/** `/api/v1/inbound/*`: messages and identity links, to the contract's letter, and a message's trace. */
export function inboundRoutes({ db, now }: Services): OpenAPIHono<ApiEnv> {
  return createPart()
    .openapi(
      createRoute({
        method: 'get',
        path: '/inbound/identity-links',
        tags,
        security,
        summary: 'List identity links',
        request: { query: offsetQuery },
        responses: { 200: json(z.object({ items: z.array(identityLink) }), 'Identity links, newest first'), ...errors },
      }),
      async (c) => {
        const rows = await listIdentityLinks(db, c.var.caller.tenantId, c.req.valid('query'));
        return c.json({ items: rows.map(showLink) }, 200);
      },
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/inbound/identity-links',
        tags,
        security,
        summary: 'Create identity link',
        request: { body: body(identityLinkCreate) },
        responses: { 201: json(identityLink, 'The link'), ...errors, ...conflictError },
      }),
      async (c) => {
        const given = c.req.valid('json');
        const link = { ...given, agentSpecId: given.agentSpecId ?? null };
        return c.json(showLink(await createIdentityLink(db, c.var.caller.tenantId, link)), 201);
      },
    )
    .openapi(
      createRoute({
        method: 'delete',
        path: '/inbound/identity-links/{link_id}',
        tags,
        security,
        summary: 'Delete identity link',
        request: { params: linkParam },
        responses: { 204: { description: 'Deleted' }, ...errors, ...notFoundError },
      }),
      async (c) => {
        await deleteIdentityLink(db, c.var.caller.tenantId, c.req.valid('param').link_id);
        return c.body(null, 204);
      },
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/inbound/identity-links/{link_id}/verify',
        tags,
        security,
        summary: 'Verify identity link',
        request: { params: linkParam },
        responses: { 200: json(identityLink, 'The link, verified'), ...errors, ...notFoundError },
      }),
      async (c) => {
        const row = await verifyIdentityLink(db, c.var.caller.tenantId, c.req.valid('param').link_id, now());
        return c.json(showLink(row), 200);
      },
    )
    .openapi(
      createRoute({
        method: 'get',
        path: '/inbound/messages',
        tags,
        security,
        summary: 'List inbound messages',
        request: { query: offsetQuery.extend({ status: z.string().optional() }) },
        responses: { 200: json(z.object({ items: z.array(inboundMessage) }), 'Messages, newest first'), ...errors },
      }),
      async (c) => {
        const rows = await listMessages(db, c.var.caller.tenantId, c.req.valid('query'));
        return c.json({ items: rows.map(showMessage) }, 200);
      },
    )
    .openapi(
      createRoute({
        method: 'get',
        path: '/inbound/messages/{message_id}',
        tags,
        security,
        summary: 'Get inbound message',
        request: { params: messageParam },
        responses: { 200: json(inboundMessage, 'The message'), ...errors, ...notFoundError },
      }),
      async (c) =>
        c.json(showMessage(await getMessage(db, c.var.caller.tenantId, c.req.valid('param').message_id)), 200),
    )
    .openapi(
      createRoute({
        method: 'get',
        path: '/inbound/messages/{message_id}/trace',
        tags,
        security,
        summary: 'Explain where a message came from, why it went where it went, and what became of it',
        request: { params: messageParam },
        responses: { 200: json(trace, 'The trace'), ...errors, ...notFoundError },
      }),
      async (c) => {
        const { tenantId } = c.var.caller;
        const message = await getMessage(db, tenantId, c.req.valid('param').message_id);
        const event = await findEventSummary(db, tenantId, message.event_id);
        const deliveries = await listMessageDeliveries(db, tenantId, message.id);
        const attempts = await listAttempts(
          db,
          tenantId,
          deliveries.map((delivery) => delivery.id),
        );
        return c.json(
          {
            message: showMessage(message),
            event: event ? showEventSummary(event) : null,
            decision: message.decision as Record<string, unknown> | null,
            deliveries: deliveries.map((delivery) => ({
              ...showDelivery(delivery),
              attempts: attempts.filter((attempt) => attempt.delivery_id === delivery.id).map(showAttempt),
            })),
          },
          200,
        );
      },
    );
}
