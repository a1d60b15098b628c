import { z } from 'zod';
import { PermanentError } from '../../lib/errors.ts';
import type { Attachment, FetchedFile, Parsed, WebhookRequest } from '../../provider.ts';
import { boundId, present, readJson, textOrNull } from '../kit/fields.ts';
import { readRawPart } from '../kit/mail/raw.ts';
import { mailMessages } from '../kit/mail/recipients.ts';
import { readParseForm, type ParseForm } from './form.ts';
import { readEnvelope, readMail } from './mail.ts';
import { isVouchedBySendgrid } from './vouch.ts';

/** One message for each recipient of the envelope. Throws where the body is no form, or its mail is none. */
export async function parseSendgrid(request: WebhookRequest): Promise<Parsed> {
  if (startsAsJson(request.body)) return ignored(reasonOfJson(request.body));
  const form = readParseForm(request.body);
  if (!mailFields.some((name) => form.bytes(name) !== undefined)) return ignored('unknown_type');
  const envelope = readEnvelope(form);
  const mail = await readMail(form, envelope);
  const outcome = mailMessages(mail, envelope.to, {
    vouched: isVouchedBySendgrid(mail, form.sole('dkim')),
    metadata: readMetadata(form, envelope.from),
  });
  return { deliveryId: null, ...outcome };
}

const mailFields = ['email', 'headers', 'envelope', 'from', 'text', 'html'];

function readMetadata(form: ParseForm, envelopeFrom: string | undefined): Record<string, string> {
  return present({
    envelopeFrom: envelopeFrom === undefined ? undefined : boundId(envelopeFrom),
    ...Object.fromEntries(
      [
        ['dkim', 'dkim'],
        ['SPF', 'spf'],
        ['spam_score', 'spamScore'],
        ['sender_ip', 'senderIp'],
      ].map(([field = '', name = '']) => [name, form.text(field)?.slice(0, 1024)]),
    ),
  });
}

/**
 * The bytes of a file that came with the mail: a field of the form, or a part of the raw message.
 *
 * @throws PermanentError where there is no such file.
 */
export async function fetchSendgridFile(attachment: Attachment, event: WebhookRequest): Promise<FetchedFile> {
  const form = readParseForm(event.body);
  const raw = form.bytes('email');
  if (raw) return await readRawPart(raw, attachment.providerId);
  const file = form.files.find(({ name }) => name === attachment.providerId);
  if (!file) throw new PermanentError('attachment_gone', 'the mail has no such file');
  return { body: file.bytes, contentType: textOrNull(attachment.contentType ?? file.contentType) };
}

function startsAsJson(body: Uint8Array): boolean {
  return body[0] === 0x5b || body[0] === 0x7b;
}

const deliveryEvents = z.array(z.object({ event: z.string() })).min(1);

/** The Event Webhook signs the same way and reports what became of mail that was sent. */
function reasonOfJson(body: Uint8Array): string {
  return deliveryEvents.safeParse(readJson(body)).success ? 'delivery_event' : 'unknown_type';
}

function ignored(reason: string): Parsed {
  return { deliveryId: null, messages: [], ignored: [{ reason }] };
}
