import PostalMime, { decodeWords, type Attachment as MimePart, type Email } from 'postal-mime';
import type { Attachment, Parsed, ParsedMessage, ProviderChannel, WebhookRequest } from '../../provider.ts';
import { boundId, dateFromMillis, present, textOrNull } from '../fields.ts';
import { sha256Hex } from '../signature.ts';
import { webhookId } from '../standard-webhooks-signature.ts';
import {
  addresses,
  automaticSigns,
  findRecipient,
  findSender,
  headerValues,
  messageIds,
  sendingTime,
} from './headers.ts';
import { readText } from './text.ts';
import { isVouched } from './vouch.ts';

type Settings = { trustedAuthservIds: string[]; inboundDomain?: string | undefined };

/**
 * The identity of a message that names nobody at all. It is kept as a message: it may still have
 * a recipient who waits for it. The word has no @, so it is nobody's address.
 */
export const unknownSender = 'unknown';

/** The headers without one of which a body is no e-mail. */
const essential = ['from', 'sender', 'to', 'subject', 'date', 'message-id', 'received', 'return-path'];

/**
 * What the parser takes: it works through 8 µs a line of text, so that a mail of nothing but line
 * ends would keep the process busy for minutes. 30 MiB of base64 are 420,000 lines, each of them
 * long. The limits bound a mail to about three seconds.
 */
const maxLines = 500_000;
const maxShortLines = 100_000;
const shortLine = 60;
const maxHeadersSize = 256 * 1024;

/** One message per mail. Throws where the body is no e-mail or exceeds the limits. */
export async function parseMail(
  request: WebhookRequest,
  channel: ProviderChannel<Record<string, string[]>, Settings>,
): Promise<Parsed> {
  checkLines(request.body);
  const mail = await PostalMime.parse(request.body, { maxHeadersSize });
  if (!mail.headers.some((header) => essential.includes(header.key) && header.value)) {
    throw new Error('the body is not an e-mail: none of the usual header fields is in it');
  }
  return {
    deliveryId: webhookId(request.headers),
    messages: [buildMessage(mail, request.body, channel.settings)],
    ignored: [],
  };
}

function checkLines(body: Uint8Array): void {
  let lines = 0;
  let shortLines = 0;
  for (let start = 0; start < body.byteLength; lines += 1) {
    const end = body.indexOf(0x0a, start);
    if (end === -1) break;
    if (end - start < shortLine) shortLines += 1;
    start = end + 1;
  }
  if (lines > maxLines || shortLines > maxShortLines) {
    throw new Error('the body is an e-mail of too many lines');
  }
}

function buildMessage(mail: Email, body: Uint8Array, settings: Settings): ParsedMessage {
  const sender = findSender(mail);
  const recipient = findRecipient(mail, settings.inboundDomain);
  const ownId = messageIds(mail, 'message-id')[0];
  const id = ownId ?? sha256Hex(body);
  const references = messageIds(mail, 'references');
  const inReplyTo = messageIds(mail, 'in-reply-to')[0];
  const date = headerValues(mail, 'date')[0];
  const subject = readSubject(mail);
  const signs = automaticSigns(mail);
  return {
    channel: 'email',
    externalIdentity: boundId(sender?.address ?? unknownSender),
    displayName: sender?.displayName ?? null,
    recipient: recipient === null ? null : boundId(recipient),
    text: readText(mail) ?? null,
    channelMessageId: boundId(id),
    channelThreadId: boundId(references[0] ?? inReplyTo ?? id),
    attachments: mail.attachments.map(describePart),
    channelMetadata: present({
      subject,
      messageId: ownId,
      inReplyTo,
      references,
      from: addresses(mail, 'from'),
      to: addresses(mail, 'to'),
      cc: addresses(mail, 'cc'),
      replyTo: addresses(mail, 'reply-to'),
      date,
      autoSubmitted: signs.length > 0,
      autoSubmittedSigns: signs,
    }),
    sentAt: dateFromMillis(sendingTime(mail)),
    vouched: isVouched(mail, settings.trustedAuthservIds),
    dedupeKey: hashContent(body, [id, recipient, sender?.address, date, subject]),
  };
}

function readSubject(mail: Email): string | undefined {
  const subject = headerValues(mail, 'subject')[0];
  return subject === undefined ? undefined : decodeWords(subject);
}

/**
 * What makes it the same mail again: its id, who wrote what to whom, and its body, but not the
 * headers that each hop adds. Message-ID alone will not do: the sender chooses it, some senders
 * give every mail the same one, and one mail to two of our mailboxes is two messages.
 */
function hashContent(body: Uint8Array, named: readonly (string | null | undefined)[]): string {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const ends = ['\r\n\r\n', '\n\n'].map((end) => bytes.indexOf(end)).filter((at) => at !== -1);
  const content = ends.length === 0 ? new Uint8Array() : body.subarray(Math.min(...ends));
  return sha256Hex(JSON.stringify(named.map((value) => value ?? null)), content);
}

/** `part:0` is the first of the attachments that parsing the stored bytes again gives. */
function describePart(part: MimePart, index: number): Attachment {
  const { content } = part;
  return {
    name: textOrNull(part.filename),
    contentType: textOrNull(part.mimeType),
    size: typeof content === 'string' ? null : content.byteLength,
    url: null,
    providerId: `part:${index}`,
  };
}
