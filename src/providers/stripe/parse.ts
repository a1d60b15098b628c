import { normalizeIdentity } from '../../lib/identity.ts';
import type { Parsed, ParsedMessage, ProviderChannel, WebhookRequest } from '../../provider.ts';
import { keepAs } from '../kit/body/kept-json.ts';
import { sentenceFrom } from '../kit/event.ts';
import { boundId, dateFromIso, dateFromMillis, present, readJson, textOrNull } from '../kit/fields.ts';
import { stripeEvent, stripeObject, type StripeEvent, type StripeObject } from './schema.ts';

type Settings = { livemode?: boolean | undefined };

/** One message per event, whatever its type: which types matter is for Stripe and the routes to say. */
export function parseStripe(
  request: WebhookRequest,
  channel: ProviderChannel<Record<string, string[]>, Settings>,
): Parsed {
  const event = stripeEvent.safeParse(readJson(request.body)).data;
  const id = textOrNull(event?.id);
  const deliveryId = id === null ? null : boundId(id);
  const ignore = (reason: string): Parsed => ({ deliveryId, messages: [], ignored: [{ reason }] });
  if (!event || id === null || !event.type || !isEvent(event)) return ignore('unknown_type');
  const { livemode } = channel.settings;
  if (livemode !== undefined && event.livemode !== livemode) return ignore('mode_mismatch');
  return { deliveryId, messages: [buildMessage(event, id, event.type, request.body.byteLength)], ignored: [] };
}

/** A whole event, or a thin one, which names its object without containing it. */
function isEvent(event: StripeEvent): boolean {
  return event.object === 'event' || event.object === 'v2.core.event';
}

function buildMessage(event: StripeEvent, id: string, type: string, bodyBytes: number): ParsedMessage {
  const object = stripeObject.safeParse(event.data?.object).data ?? {};
  const related = event.related_object;
  const objectId = textOrNull(object.id) ?? textOrNull(related?.id);
  const objectType = object.object ?? related?.type;
  const account = textOrNull(event.account) ?? textOrNull(event.context);
  const customer = customerOf(object);
  return {
    channel: 'webhook',
    externalIdentity: boundId(normalizeIdentity('webhook', identityOf(account, customer))),
    displayName: textOrNull(object.customer_name ?? nameOf(object)),
    recipient: account === null ? (event.livemode === true ? 'live' : 'test') : boundId(account),
    text: sentenceFrom(type.replace(/^v\d+\.(?=.)/, ''), objectId),
    channelMessageId: boundId(id),
    channelThreadId: boundId(objectId ?? id),
    attachments: [],
    channelMetadata: present({
      type,
      livemode: event.livemode,
      account: account ?? undefined,
      customer,
      apiVersion: event.api_version,
      objectType,
      objectId: objectId ?? undefined,
      requestId: event.request?.id,
      changed: changedFields(event),
      ...keepAs('object', event.data?.object, bodyBytes),
    }),
    // Seconds in whole events, ISO 8601 in thin ones.
    sentAt: typeof event.created === 'number' ? dateFromMillis(event.created * 1000) : dateFromIso(event.created),
    vouched: true,
    // Stripe's id is in the signed body, and retries and manual resends keep it.
    dedupeKey: boundId(id),
  };
}

/**
 * A customer within its account: whoever creates a customer may choose its id, so with the id alone
 * a connected account could pass for somebody else's customer.
 */
function identityOf(account: string | null, customer: string | undefined): string {
  return ['stripe', account?.trim(), customer?.trim()].filter(Boolean).join(':');
}

/** `customer` is an id, or the customer itself where the event's version expands it. */
function customerOf(object: StripeObject): string | undefined {
  if (object.object === 'customer') return object.id || undefined;
  const { customer } = object;
  return (typeof customer === 'string' ? customer : customer?.id) || undefined;
}

function nameOf(object: StripeObject): string | undefined {
  return object.object === 'customer' ? object.name : (object.customer_details?.name ?? object.billing_details?.name);
}

/** The names of the fields that an `updated` event changed. */
function changedFields(event: StripeEvent): string[] | undefined {
  const before = event.data?.previous_attributes;
  return before && Object.keys(before).slice(0, 50);
}
