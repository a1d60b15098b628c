import { normalizeIdentity } from '../../lib/identity.ts';
import type { ParsedMessage, WebhookRequest } from '../../provider.ts';
import { boundId, dateFromIso, present, readForm, textOrNull } from '../kit/fields.ts';
import { withPlus } from '../kit/phone.ts';

/**
 * SMS that a number or a flow passes on: a form or the query of a GET, all of it signed.
 * Source: https://developers.messagebird.com/api/sms-messaging/#receive-a-message
 */

/** The fields, or undefined where the body is something else. */
export function readSmsFields(request: WebhookRequest): URLSearchParams | undefined {
  const fields = request.method === 'GET' ? queryOf(request.url) : readForm(request.body);
  return fields.has('originator') || fields.has('recipient') ? fields : undefined;
}

function queryOf(url: string): URLSearchParams {
  const bare = url.split('#', 1)[0] ?? url;
  const start = bare.indexOf('?');
  return new URLSearchParams(start === -1 ? '' : `&${bare.slice(start + 1)}`);
}

/** The message, or the reason why there is none. */
export function buildSms(fields: URLSearchParams): ParsedMessage | string {
  // A report on a message of ours has no originator.
  if (fields.has('status') && fields.has('statusDatetime')) return 'status_callback';
  const id = fields.get('id');
  const from = fields.get('originator');
  if (!id) return 'unknown_type';
  if (!from?.trim()) return 'no_sender';
  const externalIdentity = boundId(normalizeIdentity('sms', withPlus(from)));
  const to = textOrNull(fields.get('recipient'));
  const recipient = to === null ? null : boundId(normalizeIdentity('sms', withPlus(to)));
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
