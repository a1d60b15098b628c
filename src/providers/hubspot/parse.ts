import { normalizeIdentity } from '../../lib/identity.ts';
import type { Ignored, Parsed, ParsedMessage, ProviderChannel, WebhookRequest } from '../../provider.ts';
import { keepAs } from '../kit/body/kept-json.ts';
import { sentenceFrom } from '../kit/event.ts';
import { boundId, dateFromMillis, present, readJson, type Json } from '../kit/fields.ts';
import { sha256Hex } from '../kit/signature.ts';
import { hubspotEvent, type HubspotEvent } from './schema.ts';
import { customerOf, subjectOf, type Subject } from './subject.ts';

type Settings = { ownChanges: boolean };

/** HubSpot sends up to 100 events at once, of one app and several accounts: each is a message. */
export function parseHubspot(
  request: WebhookRequest,
  channel: ProviderChannel<Record<string, string[]>, Settings>,
): Parsed {
  const body = readJson(request.body);
  const events = Array.isArray(body) ? body : [body];
  if (events.length === 0) return { deliveryId: null, messages: [], ignored: [{ reason: 'no_events' }] };
  const messages: ParsedMessage[] = [];
  const ignored: Ignored[] = [];
  for (const [index, raw] of events.entries()) {
    const event = hubspotEvent.safeParse(raw).data;
    if (!event?.subscriptionType || !/^[A-Za-z_]{1,64}\.[A-Za-z_]{1,64}$/.test(event.subscriptionType)) {
      ignored.push({ reason: 'unknown_type' });
    } else if (isOwnChange(event) && !channel.settings.ownChanges) ignored.push({ reason: 'own_message' });
    else messages.push(buildMessage(event, event.subscriptionType, raw, request.body, index));
  }
  return { deliveryId: null, messages, ignored };
}

/** A change that the app itself made by the API, to which an answer would be the next change. */
function isOwnChange(event: HubspotEvent): boolean {
  return event.changeSource === 'INTEGRATION' && event.appId !== undefined && event.sourceId === event.appId;
}

function buildMessage(event: HubspotEvent, type: string, raw: Json, body: Uint8Array, index: number): ParsedMessage {
  const { portalId } = event;
  const subject = subjectOf(event);
  const customer = customerOf(event);
  const id = event.messageId ?? event.eventId;
  return {
    channel: 'webhook',
    externalIdentity: boundId(normalizeIdentity('webhook', identityOf(portalId, customer))),
    displayName: null,
    recipient: portalId === undefined ? null : boundId(portalId),
    text: sentenceOf(type, event, subject),
    channelMessageId: id === undefined ? null : boundId(id),
    channelThreadId: subject ? boundId(`${subject.type}:${subject.id}`) : null,
    attachments: [],
    channelMetadata: present({
      type,
      portalId,
      appId: event.appId,
      objectType: subject?.type,
      objectId: subject?.id,
      propertyName: event.propertyName,
      messageType: event.messageType,
      changeSource: event.changeSource,
      ...keepAs('event', raw, body.byteLength),
    }),
    sentAt: dateFromMillis(event.occurredAt ?? Number.NaN),
    vouched: true,
    dedupeKey: boundId(keyOf(event, type) ?? `${sha256Hex(body)}:${index}`),
  };
}

/** A contact's number is its account's own: another account has a contact of the same number. */
function identityOf(portalId: string | undefined, customer: Subject | undefined): string {
  return ['hubspot', portalId?.trim(), customer && `${customer.type}:${customer.id.trim()}`].filter(Boolean).join(':');
}

/**
 * HubSpot does not promise that `eventId` is unique, so all that tells events apart is in the key;
 * not `attemptNumber`, which counts up when the same event is sent again.
 */
function keyOf(event: HubspotEvent, type: string): string | undefined {
  const { portalId, subscriptionId, eventId, occurredAt } = event;
  if (eventId === undefined || occurredAt === undefined) return undefined;
  const about = [
    event.objectId ?? event.primaryObjectId,
    event.propertyName,
    event.messageId,
    event.fromObjectId,
    event.toObjectId,
  ];
  return JSON.stringify([type, portalId, subscriptionId, eventId, occurredAt, ...about]);
}

/** `contact.propertyChange` is "Contact property change: lifecyclestage of 1246965". */
function sentenceOf(type: string, event: HubspotEvent, subject: Subject | undefined): string {
  const [word = '', change = ''] = type.split('.');
  const noun = word === 'object' ? (subject?.type ?? word) : word;
  const words = `${noun} ${change.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}`;
  return sentenceFrom(words, [event.propertyName?.slice(0, 100), subject?.id].filter(Boolean).join(' of '));
}
