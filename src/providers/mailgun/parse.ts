import { z } from 'zod';
import { PermanentError } from '../../lib/errors.ts';
import type {
  Attachment,
  AttachmentContext,
  FetchedFile,
  Parsed,
  ProviderChannel,
  WebhookRequest,
} from '../../provider.ts';
import { boundId, present, readJson, textOrNull } from '../kit/fields.ts';
import { type DownloadCredentials } from '../kit/files/download.ts';
import { downloadWithSecrets } from '../kit/files/with-secrets.ts';
import { readRawPart } from '../kit/mail/raw.ts';
import { mailMessages } from '../kit/mail/recipients.ts';
import { readFields, soleText, type Field } from './form.ts';
import { findFiles, hasOrderedHeaders, rawMessage, readMail } from './mail.ts';
import { isJson } from './verify.ts';
import { isVouchedByMailgun } from './vouch.ts';

type Settings = { spamFilterMarks: boolean };

/** One message for each recipient. Throws where the body is no form, or its raw mail is none. */
export async function parseMailgun(
  request: WebhookRequest,
  channel: ProviderChannel<Record<string, string[]>, Settings>,
): Promise<Parsed> {
  const contentType = request.headers.get('content-type');
  if (isJson(contentType)) return ignored(null, reasonOfJson(request.body));
  const fields = readFields(contentType, request.body);
  const token = soleText(fields, 'token');
  const deliveryId = token ? boundId(token) : null;
  if (!mailFields.some((name) => fields.some((field) => field.name === name))) {
    return ignored(deliveryId, soleText(fields, 'event') === undefined ? 'unknown_type' : 'delivery_event');
  }
  const mail = await readMail(fields);
  const outcome = mailMessages(mail, readRecipients(fields), {
    vouched: channel.settings.spamFilterMarks && hasOrderedHeaders(fields) && isVouchedByMailgun(mail),
    metadata: readMetadata(fields),
  });
  return { deliveryId, ...outcome };
}

/** One of these is in every mail, and none in the form that older event webhooks sent. */
const mailFields = ['body-mime', 'body-plain', 'body-html', 'from', 'From', 'subject', 'Subject'];

/** The envelope's recipients; several stand in one field with commas. */
function readRecipients(fields: readonly Field[]): string[] {
  return (soleText(fields, 'recipient') ?? '').split(',');
}

const maxKept = 64 * 1024;

function readMetadata(fields: readonly Field[]): Record<string, string> {
  return present(
    Object.fromEntries(
      [
        ['sender', 'envelopeFrom'],
        ['stripped-text', 'strippedText'],
        ['stripped-signature', 'strippedSignature'],
        ['domain', 'domain'],
        ['message-url', 'messageUrl'],
      ].map(([field = '', name = '']) => {
        const value = soleText(fields, field)?.replaceAll('\r\n', '\n');
        return [name, value === undefined || value.length > maxKept ? undefined : value];
      }),
    ),
  );
}

/**
 * The bytes of a file: a field of the form, a part of the raw message, or stored at Mailgun for some
 * days and fetched with the API key.
 *
 * @throws PermanentError where there is no such file any more, or the key is refused.
 */
export async function fetchMailgunFile(
  attachment: Attachment,
  channel: ProviderChannel<{ apiKey: string[] }, Record<string, unknown>>,
  { event, fetch }: AttachmentContext,
): Promise<FetchedFile> {
  if (attachment.url !== null)
    return await downloadWithSecrets(fetch, attachment.url, channel.secrets.apiKey, credentials);
  const fields = readFields(event.headers.get('content-type'), event.body);
  const raw = rawMessage(fields);
  if (raw) return await readRawPart(raw, attachment.providerId);
  const file = findFiles(fields).find(({ name }) => name === attachment.providerId);
  if (!file) throw new PermanentError('attachment_gone', 'the mail has no such file');
  return { body: file.bytes, contentType: textOrNull(file.contentType) };
}

function credentials(apiKey: string): DownloadCredentials {
  const authorization = `Basic ${Buffer.from(`api:${apiKey}`).toString('base64')}`;
  return { headers: { authorization }, hosts: ['mailgun.net', 'mailgun.org'] };
}

const eventBody = z.object({ 'event-data': z.looseObject({}) });

function reasonOfJson(body: Uint8Array): string {
  return eventBody.safeParse(readJson(body)).success ? 'delivery_event' : 'unknown_type';
}

function ignored(deliveryId: string | null, reason: string): Parsed {
  return { deliveryId, messages: [], ignored: [{ reason }] };
}
