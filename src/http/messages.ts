import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { fetchAttachment, type AttachmentFile } from '../inbox/attachments.ts';
import { findEventSummary } from '../inbox/events.ts';
import { getMessage, listMessages } from '../inbox/messages.ts';
import { showMessage } from '../db/message-view.ts';
import { channelKinds } from '../lib/channel-kinds.ts';
import { listAttempts, listMessageDeliveries } from '../outbox/deliveries.ts';
import { attemptView, deliveryView, showAttempt, showDelivery } from './deliveries.ts';
import { eventSummaryView, showEventSummary } from './events.ts';
import {
  conflictError,
  createPart,
  errors,
  freeObject,
  json,
  notFoundError,
  offsetQuery,
  security,
  timestamp,
} from './openapi.ts';
import type { ApiEnv, Services } from './services.ts';

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

const file = {
  description: 'The bytes',
  content: { '*/*': { schema: z.string().openapi({ format: 'binary' }) } },
} as const;

const messageParam = z.object({ message_id: z.uuid() });
const tags = ['inbound'];

/** `/api/v1/inbound/messages`: what arrived, to the contract's letter, and each message's trace. */
export function messageRoutes(services: Services): OpenAPIHono<ApiEnv> {
  const { db } = services;
  return createPart()
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
    )
    .openapi(
      createRoute({
        method: 'get',
        path: '/inbound/messages/{message_id}/attachments/{index}',
        tags,
        security,
        summary: 'Download an attachment',
        description:
          'The bytes of the attachment at this place of the message’s `attachments`, counted from 0: out of the stored event, or from the provider with the channel’s credentials. 409 says what the channel lacks.',
        request: { params: messageParam.extend({ index: z.coerce.number().int().min(0).max(9_999) }) },
        responses: { 200: file, ...errors, ...notFoundError, ...conflictError },
      }),
      async (c) => {
        const { message_id: messageId, index } = c.req.valid('param');
        return sendFile(await fetchAttachment(services, c.var.caller.tenantId, messageId, index));
      },
    );
}

/**
 * Strangers write these files: they are only ever offered for saving, and a browser that shows one
 * all the same runs nothing in it.
 */
function sendFile({ attachment, contentType, body: bytes }: AttachmentFile): Response {
  const type = contentType ?? attachment.contentType ?? '';
  const name = encodeURIComponent((attachment.name ?? 'attachment').toWellFormed()).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return new Response(new Uint8Array(bytes), {
    headers: {
      'content-type':
        /^[\w.+-]+\/[\w.+-]+$/.test(type.split(';', 1)[0] ?? '') && isPrintable(type)
          ? type
          : 'application/octet-stream',
      'content-disposition': `attachment; filename*=UTF-8''${name}`,
      'content-security-policy': 'sandbox',
      'x-content-type-options': 'nosniff',
    },
  });
}

function isPrintable(text: string): boolean {
  return /^[\x20-\x7e]{1,200}$/.test(text);
}
