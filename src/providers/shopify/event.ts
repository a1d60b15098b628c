import type { WebhookRequest } from '../../provider.ts';
import { sha256Hex } from '../kit/signature.ts';
import { unsignedHeader } from './headers.ts';
import { variableId, type ShopifyPayload } from './schema.ts';

/** What happened, read from a webhook or from an Events delivery. */
export interface ShopifyEvent {
  /** `orders/create`, or for Events `product/update`. */
  readonly topic: string;
  /** What it is about: `orders/450789469`. */
  readonly resource: string | undefined;
  readonly customerId: string | undefined;
  readonly dedupeKey: string;
}

/** The words before the id where the payload itself is the customer. */
const customerTopics = new Set(['create', 'update', 'delete', 'enable', 'disable'].map((verb) => `customers/${verb}`));

/** An Events delivery where the signed body says so; else a webhook, whose topic is in a header alone. */
export function readEvent(request: WebhookRequest, payload: ShopifyPayload): ShopifyEvent | undefined {
  return isEventsDelivery(payload) ? readDelivery(request, payload) : readWebhook(request, payload);
}

function isEventsDelivery(payload: ShopifyPayload): boolean {
  const { topic, action, handle, fields_changed: changed, query_variables: variables } = payload;
  return Boolean(topic && action && handle && changed !== undefined && variables);
}

/**
 * Two changes of the same field have the same body, which names no time and no id of its own. So
 * here the delivery's unsigned id is believed: Shopify keeps it when it tries again.
 */
function readDelivery(request: WebhookRequest, payload: ShopifyPayload): ShopifyEvent | undefined {
  const topic = topicFrom(`${payload.topic}/${payload.action}`);
  if (topic === undefined) return undefined;
  const [type = ''] = topic.split('/', 1);
  const name = payload.topic ?? '';
  const id = variableId(payload, `${name.slice(0, 1).toLowerCase()}${name.slice(1)}Id`);
  const delivery = unsignedHeader(request.headers, 'webhook-id') ?? '';
  return {
    topic,
    resource: id === undefined ? undefined : `${type}/${id}`,
    customerId: variableId(payload, 'customerId'),
    dedupeKey: `${topic}:${sha256Hex(request.body)}:${delivery}`,
  };
}

function readWebhook(request: WebhookRequest, payload: ShopifyPayload): ShopifyEvent | undefined {
  const topic = topicFrom(unsignedHeader(request.headers, 'topic') ?? '');
  if (topic === undefined) return undefined;
  const [type = ''] = topic.split(/[./]/, 1);
  const customerId = customerTopics.has(topic)
    ? payload.id
    : (payload.customer?.id ?? payload.customer_id ?? payload.customerId);
  return {
    topic,
    resource: resourceOf(type, payload, customerId),
    customerId,
    // The delivery's id is not signed, and a replay may come under another. The topic is believed:
    // orders/create and orders/paid may have the same body.
    dedupeKey: `${topic}:${sha256Hex(request.body)}`,
  };
}

/** What belongs to an order (a refund, a fulfillment) is in the order's thread. */
function resourceOf(type: string, payload: ShopifyPayload, customerId: string | undefined): string | undefined {
  if (payload.order_id !== undefined) return `orders/${payload.order_id}`;
  const id = payload.id ?? (type === 'customers' ? customerId : type === 'shop' ? payload.shop_id : undefined);
  return id === undefined ? undefined : `${type}/${id}`;
}

/** `orders/create`, `customer.joined_segment`: a topic in lower case, or undefined for what is none. */
function topicFrom(text: string): string | undefined {
  const topic = text.toLowerCase();
  return /^[a-z0-9_]{1,60}[./][a-z0-9_]{1,60}$/.test(topic) ? topic : undefined;
}
