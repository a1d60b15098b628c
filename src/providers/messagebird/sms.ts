import type { ParsedMessage, WebhookRequest } from '../../provider.ts';
import { readFields } from '../kit/body/form.ts';
import { boundId, dateFromIso, present, statusReason, textOrNull } from '../kit/fields.ts';
import { phoneOrNull, readPhone } from '../kit/phone.ts';

/**
 * SMS that a number or a flow passes on: a form or the query of a GET, all of it signed.
 * Source: https://developers.messagebird.com/api/sms-messaging/#receive-a-message
 */

/** The fields, or undefined where the body is something else. */
export function readSmsFields(request: WebhookRequest): URLSearchParams | undefined {
  const fields = readFields(request);
  return fields.has('originator') || fields.has('recipient') ? fields : undefined;
}

/** The message, or the reason why there is none. */
export function buildSms(fields: URLSearchParams): ParsedMessage | string {
  // A report on a message of ours has no originator.
  if (fields.has('status') && fields.has('statusDatetime')) return statusReason(fields.get('status') ?? undefined);
  const id = fields.get('id');
  const from = fields.get('originator');
  if (!id) return 'unknown_type';
  if (!from?.trim()) return 'no_sender';
  const externalIdentity = readPhone('sms', from);
  const recipient = phoneOrNull('sms', fields.get('recipient'));
  return {
    channel: 'sms',
    externalIdentity,
    displayName: null,
    recipient,
    // Numbers write `body`, flows `payload`.
    text: textOrNull(fields.get('body')) ?? textOrNull(fields.get('payload')),
    channelMessageId: boundId(id),
    channelThreadId: boundId(`${recipient ?? ''}:${externalIdentity}`),
    attachments: [],
    channelMetadata: present({
      platform: 'sms',
      reference: fields.get('reference') ?? undefined,
      shortcode: fields.get('shortcode') ?? undefined,
      keyword: fields.get('keyword') ?? undefined,
    }),
    sentAt: dateFromIso(fields.get('createdDatetime')),
    vouched: true,
    dedupeKey: boundId(id),
  };
}
