import type { ChannelKind } from '../../lib/channel-kinds.ts';
import { normalizeIdentity } from '../../lib/identity.ts';
import type { Ignored, Parsed, ParsedMessage, WebhookRequest } from '../../provider.ts';
import { boundId, dateFromIso, present, readJson, statusReason, textOrNull, type Json } from '../kit/fields.ts';
import { readPhone } from '../kit/phone.ts';
import { readAttachments, readDetails, readText } from './content.ts';
import { sinchCallback, type SinchCallback, type SinchMessage } from './schema.ts';
import { readSms } from './sms.ts';

/** The field that a callback has tells its kind, as in Sinch's SDK; these bring no message. */
const ignoredFields = new Map([
  ['message_submit_notification', 'message_submitted'],
  ['conversation_start_notification', 'conversation_event'],
  ['conversation_stop_notification', 'conversation_event'],
  ['conversation_delete_notification', 'conversation_event'],
  ['contact_create_notification', 'contact_change'],
  ['contact_delete_notification', 'contact_change'],
  ['contact_merge_notification', 'contact_change'],
  ['contact_update_notification', 'contact_change'],
  ['duplicated_contact_identities_notification', 'contact_change'],
  ['duplicated_identities', 'contact_change'],
  ['capability_notification', 'capability'],
  ['opt_in_notification', 'opt_in'],
  ['opt_out_notification', 'opt_out'],
  ['channel_event_notification', 'channel_event'],
  ['smart_conversation_notification', 'smart_conversation'],
  ['record_notification', 'record_notification'],
  ['unsupported_callback', 'unsupported_callback'],
]);

/** Channels by their kind here; the others, such as MESSENGER, are told apart by a prefix. */
const kinds = new Map<string, ChannelKind>([
  ['SMS', 'sms'],
  ['MMS', 'sms'],
  ['RCS', 'sms'],
  ['WHATSAPP', 'whatsapp'],
  ['TELEGRAM', 'telegram'],
]);

/** One message out of an inbound message or a reaction; whatever else there is, is ignored by name. */
export function parseSinch(request: WebhookRequest): Parsed {
  const body = readJson(request.body);
  const outcome = readSms(body) ?? readCallback(body, request.body.byteLength);
  return 'reason' in outcome
    ? { deliveryId: null, messages: [], ignored: [outcome] }
    : { deliveryId: null, messages: [outcome], ignored: [] };
}

function readCallback(body: Json, bodyBytes: number): ParsedMessage | Ignored {
  const callback = sinchCallback.safeParse(body).data;
  if (!callback) return { reason: 'unknown_type' };
  // Both triggers may be subscribed to: the same id makes the redacted copy the same message.
  const message = callback.message ?? callback.message_redaction;
  if (message) return readMessage(message, callback, bodyBytes);
  if (callback.event) return readReaction(callback.event, callback);
  const report = callback.message_delivery_report ?? callback.event_delivery_report;
  if (report) return { reason: statusReason(report.status) };
  const name = Object.keys(body as object).find((key) => ignoredFields.has(key)) ?? '';
  return { reason: ignoredFields.get(name) ?? 'unknown_type' };
}

function readMessage(message: SinchMessage, callback: SinchCallback, bodyBytes: number): ParsedMessage | Ignored {
  const { id, contact_message: content } = message;
  if (message.direction === 'TO_CONTACT') return { reason: 'own_message' };
  if (!id || !content) return { reason: 'unknown_type' };
  const found = placeOf(message, callback);
  if (!found) return { reason: 'no_sender' };
  const { place, details } = found;
  return {
    ...place,
    text: readText(content),
    channelMessageId: boundId(id),
    attachments: readAttachments(content),
    channelMetadata: {
      ...details,
      ...present<Json>({
        // What the sender of a choice attached to it, or what the channel says besides.
        messageMetadata: message.metadata || callback.message_metadata || undefined,
        processingMode: message.processing_mode,
        injected: message.injected || undefined,
        redacted: callback.message ? undefined : true,
      }),
      ...readDetails(content, bodyBytes),
    },
    // An injected message was written into the conversation by way of our own API.
    vouched: message.injected !== true,
    dedupeKey: boundId(id),
  };
}

/** An emoji that was put onto a message of ours; Messenger and Instagram alone report it. */
function readReaction(event: NonNullable<SinchCallback['event']>, callback: SinchCallback): ParsedMessage | Ignored {
  const reaction = event.contact_message_event?.reaction_event;
  if (!event.id || !reaction) return { reason: 'contact_event' };
  if (reaction.action === 'REACTION_ACTION_UNREACT' || !reaction.emoji) return { reason: 'reaction_removed' };
  const found = placeOf(event, callback);
  if (!found) return { reason: 'no_sender' };
  const { place, details } = found;
  return {
    ...place,
    text: reaction.emoji,
    channelMessageId: boundId(event.id),
    attachments: [],
    channelMetadata: {
      ...details,
      messageType: 'reaction',
      ...present({ reactionTo: reaction.message_id, reactionCategory: reaction.reaction_category }),
    },
    vouched: true,
    dedupeKey: boundId(event.id),
  };
}

type Where = Pick<
  ParsedMessage,
  'channel' | 'externalIdentity' | 'displayName' | 'recipient' | 'channelThreadId' | 'sentAt'
>;

/** Who wrote, to whom and when: what messages and events have in common. */
function placeOf(
  item: Omit<SinchMessage, 'contact_message' | 'injected' | 'metadata' | 'processing_mode' | 'sender_id'> & {
    sender_id?: string | undefined;
  },
  callback: SinchCallback,
): { place: Where; details: Record<string, string> } | undefined {
  const channelName = item.channel_identity?.channel?.toUpperCase() ?? '';
  const identity = item.channel_identity?.identity?.trim();
  if (!identity) return undefined;
  const channel = kinds.get(channelName) ?? 'webhook';
  const externalIdentity = addressOf(channel, channelName, identity);
  const recipient = item.sender_id?.trim()
    ? addressOf(channel, '', item.sender_id)
    : (textOrNull(callback.app_id?.trim()) ?? textOrNull(item.channel_identity?.app_id?.trim()));
  const place = {
    channel,
    externalIdentity,
    displayName: null,
    recipient: recipient === null ? null : boundId(recipient),
    // In the processing mode DISPATCH Sinch keeps no conversations.
    channelThreadId: boundId(item.conversation_id || `${recipient ?? ''}:${externalIdentity}`),
    sentAt: dateFromIso(callback.event_time) ?? dateFromIso(item.accept_time) ?? dateFromIso(callback.accepted_time),
  };
  const details = present({
    channel: channelName || undefined,
    appId: callback.app_id,
    projectId: callback.project_id,
    contactId: item.contact_id || undefined,
    conversationId: item.conversation_id || undefined,
  });
  return { place, details };
}

/** Numbers in E.164. Of channels without a kind of their own `messenger:` and the identity. */
function addressOf(channel: ChannelKind, channelName: string, raw: string): string {
  if (channel === 'sms' || channel === 'whatsapp') return readPhone(channel, raw);
  const prefix = channel === 'webhook' && channelName !== '' ? `${channelName.toLowerCase()}:` : '';
  return boundId(`${prefix}${normalizeIdentity(channel, raw)}`);
}
