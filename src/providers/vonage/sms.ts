import { normalizeIdentity } from '../../lib/identity.ts';
import type { ParsedMessage } from '../../provider.ts';
import { boundId, dateFromIso, present, textOrNull } from '../kit/fields.ts';
import { withPlus } from '../kit/phone.ts';

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
  if (params.has('status') || params.has('err-code')) return 'status_callback';
  if (!from?.trim()) return 'no_sender';
  const externalIdentity = boundId(normalizeIdentity('sms', withPlus(from)));
  const to = textOrNull(params.get('to'));
  const recipient = to === null ? null : boundId(normalizeIdentity('sms', withPlus(to)));
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
