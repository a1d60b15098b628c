import type { ChannelKind } from '../../lib/channel-kinds.ts';
import { normalizeIdentity } from '../../lib/identity.ts';
import type { Parsed, ParsedMessage, WebhookRequest } from '../../provider.ts';
import { boundId, dateFromIso, present, readJson, statusReason, textOrNull, type Json } from '../kit/fields.ts';
import { withPlus } from '../kit/phone.ts';
import { readAttachments, readDetails, readText, writtenTypes } from './content.ts';
import { readParams } from './fields.ts';
import { vonageMessage, type VonageMessage } from './schema.ts';
import { buildSms } from './sms.ts';

/** One message of the Messages API or the SMS API; reports on messages of ours are ignored. */
export function parseVonage(request: WebhookRequest): Parsed {
  const outcome = readOutcome(request);
  return typeof outcome === 'string'
    ? { deliveryId: null, messages: [], ignored: [{ reason: outcome }] }
    : { deliveryId: null, messages: [outcome], ignored: [] };
}

/** The message, or the reason why there is none. Only the SMS API has parameters, flat and named so. */
function readOutcome(request: WebhookRequest): ParsedMessage | string {
  const params = readParams(request);
  if (params?.has('msisdn')) return buildSms(params);
  if (request.method === 'GET') return 'unknown_type';
  const message = vonageMessage.safeParse(readJson(request.body)).data;
  if (!message?.message_uuid) return 'unknown_type';
  // A status is posted to a URL of its own, which may be the same.
  if (message.status !== undefined) return statusReason(message.status);
  if (!writtenTypes.has(message.message_type ?? '')) return 'unknown_type';
  if (message.reaction?.action === 'unreact') return 'reaction_removed';
  if (!message.from?.trim()) return 'no_sender';
  return buildMessage(message, message.message_uuid, message.from, request.body.byteLength);
}

function buildMessage(message: VonageMessage, id: string, from: string, bodyBytes: number): ParsedMessage {
  const { channel: by = 'sms', context } = message;
  const channel = kindOf(by);
  const externalIdentity = readAddress(by, from);
  const recipient = message.to?.trim() ? readAddress(by, message.to) : null;
  return {
    channel,
    externalIdentity,
    displayName: textOrNull(message.profile?.name),
    recipient,
    text: readText(message),
    channelMessageId: boundId(id),
    // Vonage knows no threads: a conversation is who writes to which of our addresses, by which way.
    channelThreadId: boundId(`${channel === 'whatsapp' ? 'whatsapp:' : ''}${recipient ?? ''}:${externalIdentity}`),
    attachments: readAttachments(message),
    channelMetadata: present<Json>({
      channel: message.channel,
      messageType: message.message_type,
      contextMessageId: context?.message_uuid,
      contextFrom: context?.message_from,
      providerMessage: message.provider_message || undefined,
      clientRef: message.client_ref,
      smsKeyword: message.sms?.keyword,
      networkCode: message.origin?.network_code,
      ...readDetails(message, bodyBytes),
    }),
    sentAt: readTime(message.timestamp),
    vouched: true,
    dedupeKey: boundId(id),
  };
}

function kindOf(by: string): ChannelKind {
  if (by === 'whatsapp') return 'whatsapp';
  return ['sms', 'mms', 'rcs'].includes(by) ? 'sms' : 'webhook';
}

/** Numbers are written without their plus. Ids of Messenger and others carry their way: `messenger:123`. */
function readAddress(by: string, address: string): string {
  const kind = kindOf(by);
  if (by === 'viber_service') return boundId(`viber:${withPlus(address)}`);
  return boundId(normalizeIdentity(kind, kind === 'webhook' ? `${by}:${address.trim()}` : withPlus(address)));
}

/** ISO 8601, and in older accounts `2025-03-04 11:59:00 +0000`. */
function readTime(timestamp: string | undefined): Date | null {
  const older = /^(\S+) (\S+) ([+-]\d{4})$/.exec(timestamp ?? '');
  return dateFromIso(older ? `${older[1]}T${older[2]}${older[3]}` : timestamp);
}
