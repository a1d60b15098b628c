import { normalizeIdentity } from '../../lib/identity.ts';
import type { Ignored, Parsed, ParsedMessage, WebhookRequest } from '../../provider.ts';
import { boundId, dateFromMillis, present, readJson, reasonFrom, statusReason, textOrNull } from '../kit/fields.ts';
import { readAttachments, readDetails, readText, reportingTypes, writtenTypes } from './content.ts';
import {
  whatsappChange,
  whatsappContact,
  whatsappEntry,
  whatsappEnvelope,
  whatsappMessage,
  whatsappStatus,
  type WhatsappContact,
  type WhatsappMessage,
  type WhatsappValue,
} from './schema.ts';

/** What our own side wrote, in the WhatsApp Business app or by way of the API. */
const echoFields = new Set(['message_echoes', 'smb_message_echoes']);

/** Where a message was in the request: one request holds several accounts, numbers and senders. */
interface Place {
  readonly accountId: string | undefined;
  readonly phoneNumberId: string | undefined;
  readonly recipient: string | null;
  readonly contacts: readonly WhatsappContact[];
  readonly byId: ReadonlyMap<string, WhatsappContact>;
}

/** Every message of every change of every entry, in order; whatever else is there is ignored by name. */
export function parseWhatsapp(request: WebhookRequest): Parsed {
  const envelope = whatsappEnvelope.safeParse(readJson(request.body)).data;
  const entries = envelope?.object === 'whatsapp_business_account' ? (envelope.entry ?? []) : [];
  const outcomes = entries.flatMap(readEntry);
  const messages = outcomes.filter((outcome) => 'dedupeKey' in outcome);
  const ignored = outcomes.filter((outcome) => 'reason' in outcome);
  const isEmpty = outcomes.length === 0;
  return { deliveryId: null, messages, ignored: isEmpty ? [{ reason: 'unknown_type' }] : ignored };
}

function readEntry(value: unknown): (ParsedMessage | Ignored)[] {
  const entry = whatsappEntry.safeParse(value).data;
  return (entry?.changes ?? []).flatMap((change) => readChange(change, entry?.id));
}

function readChange(change: unknown, accountId: string | undefined): (ParsedMessage | Ignored)[] {
  const { field, value } = whatsappChange.safeParse(change).data ?? {};
  if (field !== undefined && echoFields.has(field)) return [{ reason: 'own_message' }];
  if (field !== 'messages') return [{ reason: reasonFrom('field', field ?? '') }];
  if (!value) return [{ reason: 'unknown_type' }];
  const place = readPlace(value, accountId);
  const outcomes = [
    ...(value.messages ?? []).map((message) => readMessage(message, place)),
    ...(value.statuses ?? []).map(readStatus),
    ...(value.errors ?? []).map(() => ({ reason: 'error' })),
  ];
  return outcomes.length > 0 ? outcomes : [{ reason: 'unknown_type' }];
}

function readPlace(value: WhatsappValue, accountId: string | undefined): Place {
  const phoneNumberId = value.metadata?.phone_number_id;
  const contacts = (value.contacts ?? []).flatMap((entry) => whatsappContact.safeParse(entry).data ?? []);
  const byId = new Map<string, WhatsappContact>();
  for (const contact of contacts) {
    for (const id of [contact.wa_id, contact.user_id]) if (id) byId.set(id, contact);
  }
  return { accountId, phoneNumberId, recipient: readRecipient(value.metadata), contacts, byId };
}

/** The number, which Meta writes with or without `+`, spaces and dashes; its id where there is none. */
function readRecipient(metadata: WhatsappValue['metadata']): string | null {
  const digits = (metadata?.display_phone_number ?? '').replace(/\D/g, '');
  const recipient = digits === '' ? metadata?.phone_number_id?.trim() : normalizeIdentity('whatsapp', `+${digits}`);
  return recipient ? boundId(recipient) : null;
}

function readMessage(value: unknown, place: Place): ParsedMessage | Ignored {
  const message = whatsappMessage.safeParse(value).data;
  const type = message?.type;
  const report = reportingTypes.get(type ?? '');
  if (report !== undefined) return { reason: report };
  if (!message?.id || type === undefined || !writtenTypes.has(type)) return { reason: 'unknown_type' };
  if (type === 'reaction' && !message.reaction?.emoji) return { reason: 'reaction_removed' };
  const contact = contactOf(message, place);
  const from = readSender(message, contact);
  return from === undefined ? { reason: 'no_sender' } : buildMessage(message, message.id, from, contact, place);
}

function readStatus(value: unknown): Ignored {
  return { reason: statusReason(whatsappStatus.safeParse(value).data?.status) };
}

function contactOf(message: WhatsappMessage, { contacts, byId }: Place): WhatsappContact | undefined {
  const { from, from_user_id: userId } = message;
  if (!from && !userId) return contacts.length === 1 ? contacts[0] : undefined;
  return byId.get(from ?? '') ?? byId.get(userId ?? '');
}

/** The number in E.164, or the business-scoped user id of a person who hides the number. */
function readSender(message: WhatsappMessage, contact: WhatsappContact | undefined): string | undefined {
  const number = message.from?.trim() || contact?.wa_id?.trim();
  if (number) return boundId(/^\d+$/.test(number) ? normalizeIdentity('whatsapp', `+${number}`) : number);
  const userId = message.from_user_id?.trim() || contact?.user_id?.trim();
  return userId ? boundId(userId) : undefined;
}

function buildMessage(
  message: WhatsappMessage,
  id: string,
  from: string,
  contact: WhatsappContact | undefined,
  place: Place,
): ParsedMessage {
  const { recipient } = place;
  const { context, referral } = message;
  return {
    channel: 'whatsapp',
    externalIdentity: from,
    displayName: textOrNull(contact?.profile?.name) ?? textOrNull(contact?.profile?.username),
    recipient,
    text: readText(message),
    channelMessageId: boundId(id),
    // A conversation is a group, or who writes to which of our numbers: WhatsApp has no threads.
    channelThreadId: boundId(`${recipient ?? ''}:${message.group_id || from}`),
    attachments: readAttachments(message),
    channelMetadata: present({
      messageType: message.type,
      businessAccountId: place.accountId,
      phoneNumberId: place.phoneNumberId,
      userId: message.from_user_id ?? contact?.user_id,
      parentUserId: message.from_parent_user_id,
      username: contact?.profile?.username,
      groupId: message.group_id,
      contextMessageId: context?.id,
      contextFrom: context?.from,
      forwarded: context?.forwarded || context?.frequently_forwarded,
      referralType: referral?.source_type,
      referralId: referral?.source_id,
      referralUrl: referral?.source_url,
      referralHeadline: referral?.headline,
      referralBody: referral?.body,
      referralClickId: referral?.ctwa_clid,
      ...readDetails(message),
    }),
    sentAt: /^\d{1,12}$/.test(message.timestamp ?? '') ? dateFromMillis(Number(message.timestamp) * 1000) : null,
    vouched: true,
    dedupeKey: boundId(id),
  };
}
