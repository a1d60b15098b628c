import { z } from 'zod';
import { normalizeIdentity } from '../../lib/identity.ts';
import type { Parsed, ParsedMessage, ProviderChannel, WebhookRequest } from '../../provider.ts';
import { keepAs } from '../kit/body/kept-json.ts';
import { sentenceFrom } from '../kit/event.ts';
import { boundId, dateFromMillis, present, readJson, textField, textOrNull } from '../kit/fields.ts';

/** Source: https://apidocs.chargebee.com/docs/api/events */
const chargebeeEvent = z.object({
  id: z.string().min(1),
  object: z.literal('event'),
  event_type: z.string().min(1),
  occurred_at: z.number().optional().catch(undefined),
  source: textField,
  user: textField,
  origin_user: textField,
  api_version: textField,
  content: z.record(z.string(), z.unknown()).optional().catch(undefined),
});
type ChargebeeEvent = z.infer<typeof chargebeeEvent>;

/** What the objects in `content` have in common. */
const chargebeeObject = z
  .object({
    id: textField,
    object: textField,
    customer_id: textField,
    email: textField,
    first_name: textField,
    last_name: textField,
    company: textField,
  })
  .optional()
  .catch(undefined);
type ChargebeeObject = NonNullable<z.infer<typeof chargebeeObject>>;

type Settings = { site?: string | undefined };

/** One message per event, whatever its type: which types matter is for Chargebee and the routes to say. */
export function parseChargebee(
  request: WebhookRequest,
  channel: ProviderChannel<Record<string, string[]>, Settings>,
): Parsed {
  const event = chargebeeEvent.safeParse(readJson(request.body)).data;
  if (!event) return { deliveryId: null, messages: [], ignored: [{ reason: 'unknown_type' }] };
  const message = buildMessage(event, channel.settings.site, request.body.byteLength);
  return { deliveryId: message.channelMessageId, messages: [message], ignored: [] };
}

function buildMessage(event: ChargebeeEvent, site: string | undefined, bodyBytes: number): ParsedMessage {
  const { event_type: type } = event;
  const subject = subjectOf(event);
  const customer = objectIn(event, 'customer');
  const customerId = customerIdOf(event, subject);
  return {
    channel: 'webhook',
    externalIdentity: boundId(normalizeIdentity('webhook', identityOf(site, customerId))),
    displayName: customer ? nameOf(customer) : null,
    recipient: site === undefined ? null : boundId(site),
    text: sentenceFrom(type, subject?.id),
    channelMessageId: boundId(event.id),
    channelThreadId: boundId(subject?.id || event.id),
    attachments: [],
    channelMetadata: present({
      type,
      customerId,
      email: customer?.email,
      objectType: subject?.object,
      objectId: subject?.id,
      source: event.source,
      user: event.user ?? event.origin_user,
      apiVersion: event.api_version,
      ...keepAs('content', event.content, bodyBytes),
    }),
    sentAt: dateFromMillis((event.occurred_at ?? Number.NaN) * 1000),
    vouched: true,
    // Chargebee keeps the id when it tries again.
    dedupeKey: boundId(event.id),
  };
}

/**
 * The object that an event is about: the one whose name its type begins with, a `credit_note` before
 * a `credit`. A payment has none of its own, it is about the invoice.
 */
function subjectOf(event: ChargebeeEvent): ChargebeeObject | undefined {
  const named = Object.keys(event.content ?? {})
    .filter((name) => event.event_type.startsWith(`${name}_`))
    .toSorted((a, b) => b.length - a.length);
  for (const name of [...named, 'invoice', 'credit_note', 'subscription', 'customer']) {
    const object = objectIn(event, name);
    if (object?.id) return object;
  }
  return undefined;
}

function objectIn(event: ChargebeeEvent, name: string): ChargebeeObject | undefined {
  const { content } = event;
  return content && Object.hasOwn(content, name) ? chargebeeObject.parse(content[name]) : undefined;
}

/** The customer itself, or whose the object is: of a card or a payment source there is nothing else. */
function customerIdOf(event: ChargebeeEvent, subject: ChargebeeObject | undefined): string | undefined {
  const own = objectIn(event, 'customer')?.id ?? subject?.customer_id;
  if (own) return own;
  for (const name of Object.keys(event.content ?? {})) {
    const id = objectIn(event, name)?.customer_id;
    if (id) return id;
  }
  return undefined;
}

/** Within the site, where it is known: customers' ids are often chosen, and the same on a test site. */
function identityOf(site: string | undefined, customerId: string | undefined): string {
  return ['chargebee', site?.trim(), customerId?.trim()].filter(Boolean).join(':');
}

function nameOf(customer: ChargebeeObject): string | null {
  const person = [customer.first_name, customer.last_name].filter(Boolean).join(' ');
  return textOrNull(person || customer.company);
}
