import type { ParsedMessage } from '../../provider.ts';
import { boundId, dateFromIso, present, statusReason, textOrNull } from '../kit/fields.ts';
import { phoneOrNull, readPhone } from '../kit/phone.ts';

/**
 * The message of an SMS API webhook, or the reason why there is none. A long SMS comes in parts, each
 * a message of its own: they can be minutes apart and in any order.
 * Source: https://developer.vonage.com/en/messaging/sms/guides/inbound-sms
 */
export function buildSms(params: ReadonlyMap<string, string>): ParsedMessage | string {
  const id = params.get('messageId');
  const from = params.get('msisdn');
  if (!id) return 'unknown_type';
  // Receipts have the same names: there `msisdn` is who our message went to.
  if (params.has('status') || params.has('err-code')) return statusReason(params.get('status'));
  if (!from?.trim()) return 'no_sender';
  const externalIdentity = readPhone('sms', from);
  const recipient = phoneOrNull('sms', params.get('to'));
  return {
    channel: 'sms',
    externalIdentity,
    displayName: null,
    recipient,
    text: textOrNull(params.get('text')),
    channelMessageId: boundId(id),
    channelThreadId: boundId(`${recipient ?? ''}:${externalIdentity}`),
    attachments: [],
    channelMetadata: present({
      channel: 'sms',
      messageType: params.get('type'),
      smsKeyword: params.get('keyword'),
      accountId: params.get('api-key'),
      concatRef: params.get('concat-ref'),
      concatPart: params.get('concat-part'),
      concatTotal: params.get('concat-total'),
      // Of a binary SMS, as hex.
      data: params.get('data'),
      udh: params.get('udh'),
    }),
    // UTC, written `2025-03-04 11:59:00`.
    sentAt: dateFromIso(`${(params.get('message-timestamp') ?? '').replace(' ', 'T')}Z`),
    vouched: true,
    dedupeKey: boundId(id),
  };
}
