import { normalizeIdentity } from '../../lib/identity.ts';
import type { Parsed, ParsedMessage, WebhookRequest } from '../../provider.ts';
import { readExactJson } from '../kit/body/exact-json.ts';
import { keepAs } from '../kit/body/kept-json.ts';
import { sentenceFrom } from '../kit/event.ts';
import { boundId, dateFromIso, present, textOrNull, type Json } from '../kit/fields.ts';
import { readEvent, type ShopifyEvent } from './event.ts';
import { unsignedHeader } from './headers.ts';
import { shopifyPayload, type ShopifyPayload } from './schema.ts';

/** Every app in the App Store must answer these: what a person wants to see or have erased. */
const complianceTopics = new Set(['customers/data_request', 'customers/redact', 'shop/redact']);

/** One message per event, whatever its topic: which topics matter is for Shopify and the routes to say. */
export function parseShopify(request: WebhookRequest): Parsed {
  const body = readExactJson(request.body);
  const payload = shopifyPayload.safeParse(body).data;
  const delivery = unsignedHeader(request.headers, 'webhook-id');
  const deliveryId = delivery === undefined ? null : boundId(delivery);
  const event = payload && readEvent(request, payload);
  if (!payload || !event) return { deliveryId, messages: [], ignored: [{ reason: 'unknown_type' }] };
  return { deliveryId, messages: [buildMessage(request, body, payload, event, deliveryId)], ignored: [] };
}

function buildMessage(
  request: WebhookRequest,
  body: Json,
  payload: ShopifyPayload,
  event: ShopifyEvent,
  deliveryId: string | null,
): ParsedMessage {
  const { headers } = request;
  const { topic, resource, customerId } = event;
  const shop = shopOf(headers, payload);
  const person = payload.customer ?? (topic.startsWith('customers/') ? payload : undefined);
  const triggeredAt = unsignedHeader(headers, 'triggered-at');
  return {
    channel: 'webhook',
    externalIdentity: boundId(normalizeIdentity('webhook', identityOf(customerId, shop))),
    displayName: textOrNull([person?.first_name, person?.last_name].filter(Boolean).join(' ')),
    recipient: shop === undefined ? null : boundId(shop),
    text: sentenceFrom(topic, payload.name ?? payload.title ?? resource?.split('/')[1]),
    channelMessageId: deliveryId,
    channelThreadId: resource === undefined ? null : boundId(resource),
    attachments: [],
    channelMetadata: present({
      topic,
      shop,
      customerId,
      email: payload.email ?? person?.email ?? payload.contact_email ?? payload.email_address,
      compliance: complianceTopics.has(topic) || undefined,
      apiVersion: unsignedHeader(headers, 'api-version'),
      eventId: unsignedHeader(headers, 'event-id'),
      subscription: payload.handle ?? unsignedHeader(headers, 'name'),
      triggeredAt,
      ...keepAs('payload', body, request.body.byteLength),
    }),
    sentAt: timeOf([payload.updated_at, payload.occurredAt, payload.created_at, triggeredAt]),
    vouched: true,
    dedupeKey: boundId(event.dedupeKey),
  };
}

/** The customer's number alone, which Shopify gives out once for all shops: it is in the signed body. */
function identityOf(customerId: string | undefined, shop: string | undefined): string {
  return ['shopify', customerId?.trim() || shop].filter(Boolean).join(':');
}

/** The body's word before the header's, because the body is signed. Few topics have it there. */
function shopOf(headers: Headers, payload: ShopifyPayload): string | undefined {
  const domain = payload.myshopify_domain || payload.shop_domain || unsignedHeader(headers, 'shop-domain');
  return domain?.trim().toLowerCase() || undefined;
}

/** The first that is a time: those of the signed body before the header's. */
function timeOf(texts: readonly (string | undefined)[]): Date | null {
  return texts.map(dateFromIso).find((date) => date !== null) ?? null;
}
