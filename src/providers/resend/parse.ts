import type { Attachment, Parsed, ParsedMessage, WebhookRequest } from '../../provider.ts';
import { boundId, dateFromIso, readJson, textOrNull } from '../kit/fields.ts';
import { addresses, boundHeaders, mailHeaders, type MailHeaders } from '../kit/mail/headers.ts';
import { mailMessages } from '../kit/mail/recipients.ts';
import { webhookId } from '../kit/verify/standard-webhooks.ts';
import { otherEvents, resendEvent, resendFile, type ResendMail } from './schema.ts';

/** One message per recipient of a received mail. Throws where the body is not JSON. */
export function parseResend(request: WebhookRequest): Parsed {
  const event = resendEvent.safeParse(readJson(request.body)).data;
  const id = webhookId(request.headers);
  const deliveryId = id === null ? null : boundId(id);
  const { type = '', data } = event ?? {};
  if (type !== 'email.received' || !data?.email_id) {
    const reason = otherEvents.has(type) ? type.replaceAll('.', '_') : 'unknown_type';
    return { deliveryId, messages: [], ignored: [{ reason }] };
  }
  return { deliveryId, ...buildMessages(data, data.email_id) };
}

/**
 * Without a text, which takes a call of Resend's API. The event says nothing of SPF, DKIM or DMARC,
 * so nobody is vouched for; nor of what the mail replies to, so it begins a thread of its own.
 */
function buildMessages(data: ResendMail, emailId: string): Omit<Parsed, 'deliveryId'> {
  const { headers } = readHeaders(data);
  const { messages, ignored } = mailMessages(
    { headers, attachments: readFiles(data), content: [emailId] },
    addresses({ headers }, 'x-original-to', Infinity),
    { vouched: false, metadata: { emailId, bcc: addresses({ headers }, 'bcc') } },
  );
  // The Date header is not in the event; what is, is when Resend received the mail.
  const sentAt = dateFromIso(data.created_at);
  return { messages: messages.map((message): ParsedMessage => ({ ...message, sentAt })), ignored };
}

function readHeaders(data: ResendMail): MailHeaders {
  const fields: [string, string | undefined][] = [
    ['from', data.from],
    ['to', texts(data.to)],
    ['cc', texts(data.cc)],
    ['bcc', texts(data.bcc)],
    ['x-original-to', texts(data.received_for)],
    ['subject', data.subject],
    ['message-id', data.message_id],
  ];
  const given = fields.filter((field): field is [string, string] => Boolean(field[1]));
  return { headers: boundHeaders(mailHeaders(given)) };
}

/** A list of addresses as one header has them. */
function texts(list: readonly unknown[] | undefined): string {
  return (list ?? []).filter((entry) => typeof entry === 'string').join(', ');
}

/** References alone: the bytes, and even their size, are behind the API. */
function readFiles(data: ResendMail): Attachment[] {
  return (data.attachments ?? []).flatMap((entry) => {
    const file = resendFile.safeParse(entry).data;
    if (!file?.id) return [];
    return [
      {
        name: textOrNull(file.filename),
        contentType: textOrNull(file.content_type),
        size: null,
        url: null,
        providerId: file.id,
      },
    ];
  });
}
