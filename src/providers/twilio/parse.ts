import { normalizeIdentity } from '../../lib/identity.ts';
import type { ChannelKind } from '../../lib/channel-kinds.ts';
import type { Attachment, Parsed, ParsedMessage, WebhookRequest } from '../../provider.ts';
import { boundId, textOrNull } from '../kit/fields.ts';
import { collectFields } from './fields.ts';

/** An inbound message says one of these, if anything; every other status reports on one of ours. */
const inboundStatuses = new Set(['received', 'receiving']);

/** One message out of an SMS, MMS or WhatsApp webhook; status callbacks and calls are ignored. */
export function parseTwilio(request: WebhookRequest): Parsed {
  const fields = collectFields(request);
  const deliveryId = textOrNull(request.headers.get('i-twilio-idempotency-token'));
  const sid = fields.get('MessageSid') || fields.get('SmsMessageSid') || fields.get('SmsSid');
  const from = fields.get('From')?.trim();
  if (!sid) return { deliveryId, messages: [], ignored: [{ reason: 'unknown_type' }] };
  const status = fields.get('MessageStatus') || fields.get('SmsStatus');
  if (status && !inboundStatuses.has(status.toLowerCase())) {
    return { deliveryId, messages: [], ignored: [{ reason: 'status_callback' }] };
  }
  if (!from) return { deliveryId, messages: [], ignored: [{ reason: 'no_sender' }] };
  return { deliveryId, messages: [buildMessage(fields, sid, from)], ignored: [] };
}

function buildMessage(fields: ReadonlyMap<string, string>, sid: string, from: string): ParsedMessage {
  const channel = from.startsWith('whatsapp:') ? 'whatsapp' : 'sms';
  const externalIdentity = readAddress(channel, from);
  const recipient = readAddress(channel, fields.get('To') ?? '');
  return {
    channel,
    externalIdentity,
    displayName: textOrNull(fields.get('ProfileName')),
    recipient: textOrNull(recipient),
    text: textOrNull(fields.get('Body')),
    channelMessageId: boundId(sid),
    // Twilio knows no threads: a conversation is who writes to which of our numbers, by which way.
    channelThreadId: boundId(`${channel === 'whatsapp' ? 'whatsapp:' : ''}${recipient}:${externalIdentity}`),
    attachments: readMedia(fields),
    channelMetadata: readMetadata(fields),
    sentAt: null,
    vouched: true,
    dedupeKey: boundId(sid),
  };
}

/** `whatsapp:+15550100` is the number; other prefixes (`messenger:`, `rcs:`) stay, they are no numbers. */
function readAddress(channel: ChannelKind, address: string): string {
  const bare = address.trim().replace(/^whatsapp:/, '');
  return boundId(normalizeIdentity(channel, bare) || address.trim());
}

function readMedia(fields: ReadonlyMap<string, string>): Attachment[] {
  const media: Attachment[] = [];
  for (let index = 0; fields.has(`MediaUrl${index}`); index += 1) {
    const url = fields.get(`MediaUrl${index}`) ?? '';
    media.push({
      name: null,
      contentType: textOrNull(fields.get(`MediaContentType${index}`)),
      size: null,
      url: textOrNull(url),
      providerId: /\/Media\/(ME[0-9a-f]{32})$/.exec(url)?.[1] ?? null,
    });
  }
  return media;
}

/** Fields that the message itself carries. */
const carried = /^(?:MessageSid|SmsMessageSid|SmsSid|Body|MediaUrl\d+|MediaContentType\d+)$/;

/** All other fields under their own names in camelCase: Twilio adds new ones without notice. */
function readMetadata(fields: ReadonlyMap<string, string>): Record<string, string> {
  const kept = [...fields].filter(
    ([name, value]) => /^[A-Za-z][A-Za-z0-9]{0,63}$/.test(name) && !carried.test(name) && value !== '',
  );
  return Object.fromEntries(kept.map(([name, value]) => [name[0]?.toLowerCase() + name.slice(1), value]));
}
