import type { ChannelKind } from '../../lib/channel-kinds.ts';
import type { Parsed, ParsedMessage, WebhookRequest } from '../../provider.ts';
import { boundId, dateFromIso, present, readJson, statusReason, textOrNull } from '../kit/fields.ts';
import { phoneOrNull, readPhone } from '../kit/phone.ts';
import { readAttachments, readDetails, readText } from './content.ts';
import { telnyxEvent, telnyxMedia, telnyxMember, type TelnyxPayload } from './schema.ts';

/** How messages of ours fare. */
const receipts = new Set(['message.sent', 'message.finalized', 'message.read']);

/** Events of Telnyx's other products, by the first word of their type. */
const families = new Map([
  ['call', 'call_event'],
  ['conference', 'call_event'],
  ['streaming', 'call_event'],
  ['siprec', 'call_event'],
  ['fax', 'fax_event'],
  ['number_order', 'number_event'],
  ['messaging_hosted_numbers_orders', 'number_event'],
  ['10dlc', 'registration_event'],
  ['whatsapp', 'account_event'],
]);

/** One message out of `message.received`; every other event is ignored by name. */
export function parseTelnyx(request: WebhookRequest): Parsed {
  const data = telnyxEvent.safeParse(readJson(request.body)).data?.data;
  const eventId = textOrNull(data?.id);
  const deliveryId = eventId === null ? null : boundId(eventId);
  const ignore = (reason: string): Parsed => ({ deliveryId, messages: [], ignored: [{ reason }] });
  const type = data?.event_type ?? '';
  if (type !== 'message.received') return ignore(reasonOf(type, data?.payload));
  const payload = data?.payload;
  const id = payload?.id || eventId;
  if (!payload || !id) return ignore('unknown_type');
  if (payload.direction === 'outbound') return ignore('own_message');
  const bodyType = payload.body?.type;
  if (bodyType === 'edit') return ignore('message_edited');
  if (bodyType === 'revoke') return ignore('message_deleted');
  if (bodyType === 'reaction' && !payload.body?.reaction?.emoji) return ignore('reaction_removed');
  const from = payload.from?.phone_number?.trim();
  if (!from) return ignore('no_sender');
  return { deliveryId, messages: [buildMessage(payload, id, from, data?.occurred_at)], ignored: [] };
}

function reasonOf(type: string, payload: TelnyxPayload | undefined): string {
  if (receipts.has(type)) return statusReason(statusOf(payload) ?? type.replace('message.', ''));
  if (type === 'message.echo') return 'own_message';
  return families.get(type.split('.', 1)[0] ?? '') ?? 'unknown_type';
}

/** What became of a message of ours, where it went to one number. */
function statusOf(payload: TelnyxPayload | undefined): string | undefined {
  const to = payload?.to;
  return Array.isArray(to) && to.length === 1 ? telnyxMember.safeParse(to[0]).data?.status : undefined;
}

function buildMessage(payload: TelnyxPayload, id: string, from: string, occurredAt: string | undefined): ParsedMessage {
  const channel = payload.type?.toUpperCase() === 'WHATSAPP' ? 'whatsapp' : 'sms';
  const externalIdentity = readPhone(channel, from);
  const { recipient, others } = readMembers(payload, channel);
  const group = [...new Set([externalIdentity, ...others])].toSorted();
  const hashes = (payload.media ?? []).flatMap((entry) => telnyxMedia.safeParse(entry).data?.hash_sha256 ?? []);
  return {
    channel,
    externalIdentity,
    displayName: null,
    recipient,
    text: readText(payload),
    channelMessageId: boundId(id),
    // A conversation is who writes to which of our numbers; in a group MMS all who take part.
    channelThreadId: boundId(`${channel === 'whatsapp' ? 'whatsapp:' : ''}${recipient ?? ''}:${group.join(',')}`),
    attachments: readAttachments(payload),
    channelMetadata: present<string | number | string[]>({
      messageType: payload.type,
      subject: payload.subject || undefined,
      messagingProfileId: payload.messaging_profile_id,
      carrier: payload.from?.carrier || undefined,
      lineType: payload.from?.line_type || undefined,
      autoresponseType: payload.autoresponse_type,
      groupMembers: others.length > 0 ? others : undefined,
      mediaSha256: hashes.length > 0 ? hashes : undefined,
      ...readDetails(payload.body),
    }),
    sentAt: dateFromIso(payload.received_at) ?? dateFromIso(occurredAt),
    vouched: true,
    dedupeKey: boundId(id),
  };
}

/** Which of the addressees we are, and who else is in the group. */
function readMembers(payload: TelnyxPayload, channel: ChannelKind): { recipient: string | null; others: string[] } {
  const { to, cc = [] } = payload;
  if (typeof to === 'string') return { recipient: phoneOrNull(channel, to), others: [] };
  const members = [...(to ?? []), ...cc].flatMap((entry) => {
    const member = telnyxMember.safeParse(entry).data;
    const address = (member?.phone_number || member?.agent_id)?.trim();
    return address ? [{ address: readPhone(channel, address), status: member?.status }] : [];
  });
  // Telnyx marks the number that it sends the webhook for; in other messages it is the first.
  const own = members.find(({ status }) => status === 'webhook_delivered') ?? members[0];
  const others = members.filter(({ address }) => address !== own?.address).map(({ address }) => address);
  return { recipient: own?.address ?? null, others: [...new Set(others)] };
}
