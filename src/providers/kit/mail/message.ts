import { createHash } from 'node:crypto';
import type { Attachment, ParsedMessage } from '../../../provider.ts';
import { boundId, dateFromMillis, present } from '../fields.ts';
import {
  addresses,
  automaticSigns,
  findSender,
  headerValues,
  messageIds,
  readSubject,
  sendingTime,
  type MailHeaders,
} from './headers.ts';
import { readText } from './text.ts';

/** A mail, however it came: as raw MIME or taken apart by the service that received it. */
export interface Mail extends MailHeaders {
  readonly text?: string | undefined;
  readonly html?: string | undefined;
  readonly attachments: readonly Attachment[];
  /** Its body, as bytes or texts: mails with the same id and another body are different mails. */
  readonly content: readonly (string | Uint8Array)[];
}

/** What only the service that received it knows. */
export interface MailReceipt {
  /** The envelope's recipient: Bcc and aliases are not in To. */
  readonly recipient: string | null;
  /** Whether it vouches for the From address: aligned DKIM, or DMARC. */
  readonly vouched: boolean;
  /** What else is worth keeping, beside what is read from the headers. */
  readonly metadata?: ParsedMessage['channelMetadata'];
}

/**
 * The identity of a mail that names nobody at all. It is kept as a message: it may still have a
 * recipient who waits for it. The word has no @, so it is nobody's address.
 */
export const unknownSender = 'unknown';

/** One mail to one recipient as a message: sender, thread, text, and what makes it the same again. */
export function mailMessage(mail: Mail, receipt: MailReceipt): ParsedMessage {
  const sender = findSender(mail);
  const { recipient } = receipt;
  const ownId = messageIds(mail, 'message-id')[0];
  const references = messageIds(mail, 'references');
  const inReplyTo = messageIds(mail, 'in-reply-to')[0];
  const date = headerValues(mail, 'date')[0];
  const subject = readSubject(mail);
  const signs = automaticSigns(mail);
  // Message-ID alone will not do: the sender chooses it, some senders give every mail the same one,
  // and one mail to two of our mailboxes is two messages.
  const named = [ownId, recipient, sender?.address, date, subject].map((value) => value ?? null);
  const dedupeKey = hash([JSON.stringify(named), ...mail.content]);
  const id = ownId ?? dedupeKey;
  return {
    channel: 'email',
    externalIdentity: boundId(sender?.address ?? unknownSender),
    displayName: sender?.displayName ?? null,
    recipient: recipient === null ? null : boundId(recipient),
    text: readText(mail) ?? null,
    channelMessageId: boundId(id),
    channelThreadId: boundId(references[0] ?? inReplyTo ?? id),
    attachments: [...mail.attachments],
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
      ...receipt.metadata,
    }),
    sentAt: dateFromMillis(sendingTime(mail)),
    vouched: receipt.vouched,
    dedupeKey,
  };
}

function hash(parts: readonly (string | Uint8Array)[]): string {
  const digest = createHash('sha256');
  // Each part's length first, so that what moves from one part to the next makes a difference.
  for (const part of parts) digest.update(`${part.length}:`).update(part);
  return digest.digest('hex');
}
