import type { ChannelKind } from '../../lib/channel-kinds.ts';
import { normalizeIdentity } from '../../lib/identity.ts';
import type { Parsed, ParsedMessage, WebhookRequest } from '../../provider.ts';
import {
  boundId,
  boundOrNull,
  dateFromIso,
  present,
  readJson,
  reasonFrom,
  textOrNull,
  type Json,
} from '../kit/fields.ts';
import { withPlus } from '../kit/phone.ts';
import { readAttachments, readDetails, readText } from './content.ts';
import { messagebirdEvent, type MessagebirdEvent, type MessagebirdMessage } from './schema.ts';
import { buildSms, readSmsFields } from './sms.ts';

/** Platforms whose own sign-in stands behind the sender; a live chat or an e-mail's From does not. */
const vouchedPlatforms = new Set([
  'sms',
  'mms',
  'whatsapp',
  'telegram',
  'facebook',
  'instagram',
  'line',
  'viber',
  'wechat',
]);

/** One message of the Conversations API, or an SMS that a number or a flow passes on. */
export function parseMessagebird(request: WebhookRequest): Parsed {
  const outcome = readOutcome(request);
  return typeof outcome === 'string'
    ? { deliveryId: null, messages: [], ignored: [{ reason: outcome }] }
    : { deliveryId: null, messages: [outcome], ignored: [] };
}

/** The message, or the reason why there is none. */
function readOutcome(request: WebhookRequest): ParsedMessage | string {
  const fields = readSmsFields(request);
  if (fields) return buildSms(fields);
  if (request.method === 'GET') return 'unknown_type';
  const event = messagebirdEvent.safeParse(readJson(request.body)).data;
  if (!event?.type) return 'unknown_type';
  const { message } = event;
  if (event.type !== 'message.created')
    return knownEvents.has(event.type) ? reasonFrom('event', event.type) : 'unknown_type';
  if (!message?.id) return 'unknown_type';
  if (message.direction !== 'received') return 'own_message';
  if (!message.from?.trim()) return 'no_sender';
  return buildMessage(event, message, message.id, message.from);
}

const knownEvents = new Set(['message.updated', 'conversation.created', 'conversation.updated']);

function buildMessage(event: MessagebirdEvent, message: MessagebirdMessage, id: string, from: string): ParsedMessage {
  const { contact, conversation } = event;
  const platform = message.platform ?? 'sms';
  const to = textOrNull(message.to);
  const name = textOrNull([contact?.firstName, contact?.lastName].filter(Boolean).join(' '));
  return {
    channel: kindOf(platform),
    externalIdentity: readAddress(platform, from),
    // The display name is the number where nobody gave a name.
    displayName: name ?? textOrNull(contact?.displayName),
    recipient: to === null ? null : readAddress(platform, to),
    text: readText(message),
    channelMessageId: boundId(id),
    channelThreadId: boundOrNull(message.conversationId ?? conversation?.id),
    attachments: readAttachments(message),
    channelMetadata: present<Json>({
      platform: message.platform,
      messageType: message.type,
      channelId: message.channelId,
      contactId: contact?.id,
      conversationStatus: conversation?.status,
      ...readDetails(message),
    }),
    sentAt: dateFromIso(message.createdDatetime),
    vouched: vouchedPlatforms.has(platform),
    dedupeKey: boundId(id),
  };
}

function kindOf(platform: string): ChannelKind {
  if (platform === 'sms' || platform === 'mms') return 'sms';
  return platform === 'whatsapp' || platform === 'email' ? platform : 'webhook';
}

/** The plus is missing before some numbers. Ids of other platforms carry its name: `telegram:123`. */
function readAddress(platform: string, address: string): string {
  const kind = kindOf(platform);
  if (kind === 'webhook') return boundId(normalizeIdentity(kind, `${platform}:${address.trim()}`));
  return boundId(normalizeIdentity(kind, kind === 'email' ? address : withPlus(address)));
}
