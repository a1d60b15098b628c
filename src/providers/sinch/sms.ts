import type { Attachment, Ignored, ParsedMessage } from '../../provider.ts';
import { boundId, dateFromIso, present, statusReason, textOrNull, type Json } from '../kit/fields.ts';
import { phoneOrNull, readPhone } from '../kit/phone.ts';
import { decodeBase64 } from '../kit/signature.ts';
import { sinchSms, sinchSmsMedia, sinchSmsStatus, type SinchSms } from './schema.ts';

const messageTypes = new Set(['mo_text', 'mo_binary', 'mo_media']);

/** Where the bytes of a binary SMS are, for `fetchAttachment`. */
export const binaryBody = 'body';

/** A report on one number has a status, one on a batch has the numbers of each. */
function reportReason({ status, statuses = [] }: SinchSms): string {
  const only = statuses.length === 1 ? sinchSmsStatus.safeParse(statuses[0]).data?.status : undefined;
  return statusReason(status ?? only);
}

/** A callback of the SMS API, which names its `type`; undefined for those of the Conversation API. */
export function readSms(body: Json): ParsedMessage | Ignored | undefined {
  const sms = sinchSms.safeParse(body).data;
  if (sms?.type === undefined) return undefined;
  if (/^(?:recipient_)?delivery_report_[a-z]+$/.test(sms.type)) return { reason: reportReason(sms) };
  if (!messageTypes.has(sms.type) || !sms.id) return { reason: 'unknown_type' };
  if (!sms.from?.trim()) return { reason: 'no_sender' };
  const externalIdentity = readPhone('sms', sms.from);
  const recipient = phoneOrNull('sms', sms.to);
  return {
    channel: 'sms',
    externalIdentity,
    displayName: null,
    recipient,
    text: readText(sms),
    channelMessageId: boundId(sms.id),
    // A conversation is who writes to which of our numbers.
    channelThreadId: boundId(`${recipient ?? ''}:${externalIdentity}`),
    attachments: readAttachments(sms),
    channelMetadata: present({
      messageType: sms.type,
      subject: typeof sms.body === 'object' ? sms.body.subject : undefined,
      udh: sms.udh,
      operatorId: sms.operator_id,
      clientReference: sms.client_reference,
    }),
    sentAt: dateFromIso(sms.sent_at) ?? dateFromIso(sms.received_at),
    vouched: true,
    dedupeKey: boundId(sms.id),
  };
}

function readText(sms: SinchSms): string | null {
  if (typeof sms.body === 'string') return sms.type === 'mo_text' ? textOrNull(sms.body) : null;
  return textOrNull(sms.body?.message);
}

function readAttachments({ type, body }: SinchSms): Attachment[] {
  if (type === 'mo_binary') {
    const bytes = typeof body === 'string' ? decodeBase64(body) : undefined;
    if (!bytes) return [];
    const contentType = 'application/octet-stream';
    return [{ name: null, contentType, size: bytes.byteLength, url: null, providerId: binaryBody }];
  }
  const media = typeof body === 'object' ? (body.media ?? []) : [];
  return media.flatMap((entry) => {
    const file = sinchSmsMedia.safeParse(entry).data;
    if (!file?.url) return [];
    return [{ name: null, contentType: textOrNull(file.content_type), size: null, url: file.url, providerId: null }];
  });
}
