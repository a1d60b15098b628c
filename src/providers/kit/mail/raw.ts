import PostalMime, { type Attachment as MimePart, type Email } from 'postal-mime';
import { PermanentError } from '../../../lib/errors.ts';
import type { Attachment, FetchedFile } from '../../../provider.ts';
import { textOrNull } from '../fields.ts';
import type { Mail } from './message.ts';

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

/** Reads a raw RFC 5322 message. Throws where it is none, or exceeds the limits. */
export async function readRawMail(bytes: Uint8Array): Promise<Mail> {
  const mail = await parse(bytes);
  if (!mail.headers.some((header) => essential.includes(header.key) && header.value)) {
    throw new Error('the body is not an e-mail: none of the usual header fields is in it');
  }
  return {
    headers: mail.headers,
    text: mail.text,
    html: mail.html,
    attachments: mail.attachments.map(describePart),
    content: [afterHeaders(bytes)],
  };
}

/**
 * The bytes of an attachment of a raw message: the one that `readRawMail` named `part:<index>`. One
 * that was sent as text, in 7bit or 8bit, has line ends of its own: the parser takes mail apart by
 * lines and ends each with LF. What is in base64 or quoted-printable comes back as it was.
 *
 * @throws PermanentError where there is no such part.
 */
export async function readRawPart(bytes: Uint8Array, providerId: string | null): Promise<FetchedFile> {
  const index = /^part:(\d{1,6})$/.exec(providerId ?? '')?.[1];
  const part = index === undefined ? undefined : (await parse(bytes)).attachments[Number(index)];
  if (!part) throw new PermanentError('attachment_gone', 'the mail has no such part');
  const { content } = part;
  return {
    body: typeof content === 'string' ? new TextEncoder().encode(content) : new Uint8Array(content),
    contentType: textOrNull(part.mimeType),
  };
}

async function parse(bytes: Uint8Array): Promise<Email> {
  checkLines(bytes);
  return await PostalMime.parse(bytes, { maxHeadersSize });
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

/** The body without the headers, which each hop adds to. */
function afterHeaders(body: Uint8Array): Uint8Array {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const ends = ['\r\n\r\n', '\n\n'].map((end) => bytes.indexOf(end)).filter((at) => at !== -1);
  return ends.length === 0 ? new Uint8Array() : body.subarray(Math.min(...ends));
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
