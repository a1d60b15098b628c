import type { Parsed, ParsedMessage, WebhookRequest } from '../../provider.ts';
import { boundId, present, readJson, textOrNull } from '../kit/fields.ts';
import { boundHeaders, findRecipient, headerValues, mailHeaders, type MailHeaders } from '../kit/mail/headers.ts';
import { mailMessage } from '../kit/mail/message.ts';
import { listAttachments } from './attachments.ts';
import { postmarkHeader, postmarkMail, postmarkPerson, type PostmarkMail, type PostmarkPerson } from './schema.ts';

/** The id in the test that the Check button sends. */
const testId = '00000000-0000-0000-0000-000000000000';

/** What Postmark's other webhooks post, should one of them have been pointed here. */
const otherRecords: ReadonlyMap<string, string> = new Map([
  ['Bounce', 'bounce'],
  ['Click', 'click'],
  ['Delivery', 'delivery'],
  ['Open', 'open'],
  ['SMTPApiError', 'smtp_api_error'],
  ['SpamComplaint', 'spam_complaint'],
  ['SubscriptionChange', 'subscription_change'],
]);

/** How much of these is kept beside the text, in characters; the event keeps all of it. */
const maxHeader = 2_000;
const maxReply = 64 * 1024;

/** One message per mail. Throws where the body is not JSON. */
export function parsePostmark(request: WebhookRequest): Parsed {
  const mail = postmarkMail.safeParse(readJson(request.body)).data;
  const outcome = mail ? readRecord(mail) : 'unknown_type';
  const deliveryId = mail?.MessageID ? boundId(mail.MessageID) : null;
  return typeof outcome === 'string'
    ? { deliveryId, messages: [], ignored: [{ reason: outcome }] }
    : { deliveryId, messages: [outcome], ignored: [] };
}

/** The message, or the reason why there is none. */
function readRecord(mail: PostmarkMail): ParsedMessage | string {
  const { RecordType: record = 'Inbound' } = mail;
  if (record !== 'Inbound') return otherRecords.get(record) ?? 'unknown_type';
  if (mail.MessageID === testId) return 'test_message';
  if (!mail.MessageID && !mail.FromFull && !mail.From) return 'unknown_type';
  return buildMessage(mail);
}

/**
 * Postmark checks SPF and asks SpamAssassin, and says so in headers of the mail: `Received-SPF`,
 * which is about the envelope alone, and `X-Spam-Tests`, which may hold `DKIM_VALID_AU`. It is not
 * documented that headers of these names are removed when a sender has put them there, nor that
 * every mail is tested. So nobody is vouched for.
 */
function buildMessage(mail: PostmarkMail): ParsedMessage {
  const headers = readHeaders(mail);
  const attachments = listAttachments(mail);
  const { TextBody: text, HtmlBody: html } = mail;
  return mailMessage(
    { headers: headers.headers, text, html, attachments, content: [text ?? '', html ?? '', fingerprint(attachments)] },
    { recipient: findRecipient(headers, undefined), vouched: false, metadata: readMetadata(mail, headers) },
  );
}

/** Mails without a text may still differ in their files. */
function fingerprint(attachments: readonly { name: string | null; size: number | null }[]): string {
  return JSON.stringify(attachments.map(({ name, size }) => [name, size]));
}

/**
 * The mail's headers. What Postmark has put into fields of its own counts instead of the header of
 * the same name, which is not always in its list.
 */
function readHeaders(mail: PostmarkMail): MailHeaders {
  const from = mail.FromFull?.Email ? writeMailbox(mail.FromFull) : mail.From;
  const own: [string, string | undefined][] = [
    ['x-original-to', mail.OriginalRecipient],
    ['from', from],
    ['to', writeMailboxes(mail.ToFull)],
    ['cc', writeMailboxes(mail.CcFull)],
    ['reply-to', mail.ReplyTo],
    ['subject', mail.Subject],
    ['date', mail.Date],
  ];
  const known = own.filter((field): field is [string, string] => Boolean(field[1]));
  const names = new Set(known.map(([name]) => name));
  const listed = (mail.Headers ?? []).flatMap((entry) => postmarkHeader.safeParse(entry).data ?? []);
  const others = mailHeaders(listed.map(({ Name, Value }) => [Name, Value])).filter(({ key }) => !names.has(key));
  return { headers: boundHeaders([...mailHeaders(known), ...others]) };
}

function writeMailboxes(list: readonly unknown[] | undefined): string {
  const people = (list ?? []).flatMap((entry) => postmarkPerson.safeParse(entry).data ?? []);
  return people.flatMap((person) => (person.Email ? [writeMailbox(person)] : [])).join(', ');
}

/** As a header has it, the name quoted: it may hold a comma. */
function writeMailbox({ Email: email = '', Name: name }: PostmarkPerson): string {
  return name ? `"${name.replace(/["\\]/g, '\\$&')}" <${email}>` : email;
}

function readMetadata(mail: PostmarkMail, headers: MailHeaders): ParsedMessage['channelMetadata'] {
  const header = (name: string): string | undefined => headerValues(headers, name)[0]?.slice(0, maxHeader);
  const reply = mail.StrippedTextReply ?? '';
  return present({
    postmarkId: mail.MessageID,
    originalRecipient: mail.OriginalRecipient,
    mailboxHash: textOrNull(mail.MailboxHash) ?? undefined,
    tag: textOrNull(mail.Tag) ?? undefined,
    messageStream: mail.MessageStream,
    strippedTextReply: reply === '' || reply.length > maxReply ? undefined : reply,
    receivedSpf: header('received-spf'),
    spamStatus: header('x-spam-status'),
    spamScore: header('x-spam-score'),
    spamTests: header('x-spam-tests'),
  });
}
