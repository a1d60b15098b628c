import { normalizeIdentity } from '../../lib/identity.ts';
import type { ChannelKind } from '../../lib/channel-kinds.ts';
import type { Attachment, Parsed, ParsedMessage, WebhookRequest } from '../../provider.ts';
import { boundId, statusReason, textOrNull, type Json } from '../kit/fields.ts';
import { collectFields } from './fields.ts';

type Fields = ReadonlyMap<string, string>;

/** An inbound message says one of these, if anything; every other status reports on one of ours. */
const inboundStatuses = new Set(['received', 'receiving']);

/** One message out of an SMS, MMS, WhatsApp or RCS webhook; status callbacks and calls are ignored. */
export function parseTwilio(request: WebhookRequest): Parsed {
  const fields = collectFields(request);
  const token = textOrNull(request.headers.get('i-twilio-idempotency-token'));
  const deliveryId = token === null ? null : boundId(token);
  const ignore = (reason: string): Parsed => ({ deliveryId, messages: [], ignored: [{ reason }] });
  const sid = fields.get('MessageSid') || fields.get('SmsMessageSid') || fields.get('SmsSid');
  if (!sid) return ignore(fields.get('CallSid') ? 'call_event' : 'unknown_type');
  // Older webhooks have SmsStatus alone.
  const status = fields.get('MessageStatus') || fields.get('SmsStatus');
  if (status && !inboundStatuses.has(status.toLowerCase())) return ignore(statusReason(status));
  const from = fields.get('From')?.trim();
  if (!from) return ignore('no_sender');
  return { deliveryId, messages: [buildMessage(fields, sid, from)], ignored: [] };
}

function buildMessage(fields: Fields, sid: string, from: string): ParsedMessage {
  const channel = from.startsWith('whatsapp:') ? 'whatsapp' : 'sms';
  const externalIdentity = readAddress(channel, from);
  const recipient = readAddress(channel, fields.get('To') ?? '');
  const others = readOthers(fields, channel, recipient);
  const people =
    others.length > 0 ? [...new Set([externalIdentity, ...others])].toSorted().join(',') : externalIdentity;
  return {
    channel,
    externalIdentity,
    displayName: textOrNull(fields.get('ProfileName')),
    recipient: textOrNull(recipient),
    text: textOrNull(fields.get('Body')) ?? textOrNull(fields.get('ButtonText')) ?? readPlace(fields),
    channelMessageId: boundId(sid),
    // Twilio knows no threads: a conversation is who writes to which of our numbers, by which way; in
    // a group everybody in it, whoever of them writes.
    channelThreadId: boundId(`${channel === 'whatsapp' ? 'whatsapp:' : ''}${recipient}:${people}`),
    attachments: readMedia(fields),
    channelMetadata: { ...readMetadata(fields), ...(others.length > 0 && { otherRecipients: others }) },
    sentAt: null,
    vouched: true,
    dedupeKey: boundId(sid),
  };
}

/**
 * `whatsapp:+15550100` and `rcs:+15550100` are the number, `whatsapp:US.13491208` a person who hides
 * it; an RCS agent (`rcs:acme_agent`) and other prefixes (`messenger:`) stay as they are.
 */
function readAddress(channel: ChannelKind, address: string): string {
  const bare = address.trim().replace(/^(?:whatsapp:|rcs:(?=\+))/, '');
  return boundId(normalizeIdentity(channel, bare) || address.trim());
}

/** The other members of a group MMS. */
function readOthers(fields: Fields, channel: ChannelKind, recipient: string): string[] {
  const addresses = [...fields].flatMap(([name, value]) =>
    /^OtherRecipients\d+$/.test(name) && value.trim() ? [readAddress(channel, value)] : [],
  );
  return [...new Set(addresses)].filter((address) => address !== recipient);
}

/** A place that was sent by WhatsApp: its name and address, or where it is. */
function readPlace(fields: Fields): string | null {
  const named = ['Label', 'Address'].map((name) => fields.get(name)).filter(Boolean);
  const point = ['Latitude', 'Longitude'].map((name) => fields.get(name)).filter(Boolean);
  return textOrNull(named.join(', ')) ?? (point.length === 2 ? point.join(',') : null);
}

function readMedia(fields: Fields): Attachment[] {
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
const carried = /^(?:MessageSid|SmsMessageSid|SmsSid|Body|MediaUrl\d+|MediaContentType\d+|OtherRecipients\d+)$/;

/** All other fields under their own names in camelCase: Twilio adds new ones without notice. */
function readMetadata(fields: Fields): Record<string, Json> {
  const kept = [...fields].filter(
    ([name, value]) => /^[A-Za-z][A-Za-z0-9]{0,63}$/.test(name) && !carried.test(name) && value !== '',
  );
  return Object.fromEntries(kept.map(([name, value]) => [name[0]?.toLowerCase() + name.slice(1), value]));
}
