import { addressParser, decodeWords, type Mailbox } from 'postal-mime';
import { normalizeIdentity } from '../../../lib/identity.ts';
import { textOrNull } from '../fields.ts';

/** Reading the header fields of a message. They come topmost first, repeated ones included. */
export interface MailHeaders {
  readonly headers: readonly { readonly key: string; readonly value: string }[];
}

/** Header fields as a service lists them, `[name, value]` topmost first. */
export function mailHeaders(pairs: Iterable<readonly [name: string, value: string]>): MailHeaders['headers'] {
  return [...pairs].map(([name, value]) => ({ key: name.trim().toLowerCase(), value: value.trim() }));
}

const maxHeadersSize = 256 * 1024;

/**
 * The header fields, where they are no more than 256 KiB, as for raw mail: reading addresses takes
 * time for each byte. They are not cut, because a second From below the cut would go unseen.
 *
 * @throws Error "the body is …".
 */
export function boundHeaders(headers: MailHeaders['headers']): MailHeaders['headers'] {
  const size = headers.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
  if (size > maxHeadersSize) throw new Error('the body is an e-mail of too long headers');
  return headers;
}

/** Every value of a header, topmost first. */
export function headerValues(mail: MailHeaders, name: string): string[] {
  return mail.headers.filter((header) => header.key === name).map((header) => header.value);
}

/** Every mailbox of a header that has an address, groups opened, addresses lower-cased. */
export function mailboxes(mail: MailHeaders, name: string): Mailbox[] {
  return headerValues(mail, name)
    .flatMap((value) => addressParser(value, { flatten: true }))
    .filter((mailbox): mailbox is Mailbox => Boolean(mailbox.address))
    .map(({ address, name: display }) => ({ address: normalizeIdentity('email', address), name: display }));
}

/** The addresses of a header, at most `limit`: a header may hold two megabytes of them. */
export function addresses(mail: MailHeaders, name: string, limit = 100): string[] {
  return mailboxes(mail, name)
    .slice(0, limit)
    .map((mailbox) => mailbox.address);
}

/**
 * Who it is from: From, or where there is none Sender or the envelope's sender. Undefined where
 * the message names nobody.
 */
export function findSender(mail: MailHeaders): { address: string; displayName: string | null } | undefined {
  for (const name of ['from', 'sender', 'return-path']) {
    const mailbox = mailboxes(mail, name)[0];
    if (mailbox) return { address: mailbox.address, displayName: textOrNull(mailbox.name.trim()) };
  }
  return undefined;
}

/**
 * Who it is to. The receiving mail server writes the envelope's recipient on top; Bcc and aliases
 * are nowhere else. With an inbound domain, the first recipient in it counts.
 */
export function findRecipient(mail: MailHeaders, inboundDomain: string | undefined): string | null {
  const candidates = ['x-original-to', 'delivered-to', 'envelope-to', 'to', 'cc'].flatMap((name) =>
    addresses(mail, name),
  );
  const suffix = inboundDomain && `@${inboundDomain.toLowerCase()}`;
  const inDomain = suffix ? candidates.find((address) => address.endsWith(suffix)) : undefined;
  return inDomain ?? candidates[0] ?? null;
}

/** The subject in plain text, or undefined where there is none. */
export function readSubject(mail: MailHeaders): string | undefined {
  const subject = headerValues(mail, 'subject')[0];
  return subject === undefined ? undefined : decodeWords(subject);
}

/** The message ids in a header, without angle brackets: `<a@x> <b@x>` is `a@x`, `b@x`. */
export function messageIds(mail: MailHeaders, name: string): string[] {
  const text = headerValues(mail, name)[0] ?? '';
  const bracketed = [...text.matchAll(/<([^<>]+)>/g)].map((match) => match[1]?.trim() ?? '');
  const ids = bracketed.length > 0 ? bracketed : text.split(/\s+/);
  return ids.filter((id) => id !== '').slice(0, 100);
}

/**
 * The Date header in milliseconds since 1970; NaN where it cannot be read, or has no zone and would
 * be read in the server's own.
 */
export function sendingTime(mail: MailHeaders): number {
  // A date takes 40 characters; megabytes of white space would keep the pattern busy for hours.
  const text = (headerValues(mail, 'date')[0] ?? '').slice(0, 100);
  return /(?:[+-]\d{4}|\b[A-Z]{1,4})\s*(?:\([^()]*\))?\s*$/.test(text) ? Date.parse(text) : Number.NaN;
}

/**
 * The signs that a machine wrote it, for whoever answers: mail that answers itself loops. Nothing
 * is ignored for them, a newsletter or a bounce may be what somebody waits for.
 */
export function automaticSigns(mail: MailHeaders): string[] {
  const has = (name: string, test: RegExp): boolean =>
    headerValues(mail, name).some((value) => test.test(value.trim()));
  const from = findSender(mail)?.address ?? '';
  const signs: [string, boolean][] = [
    ['auto_submitted', has('auto-submitted', /^(?!no\s*(?:[;(]|$))./i)],
    ['precedence', has('precedence', /^(?:bulk|list|junk|auto_reply)\b/i)],
    ['list', headerValues(mail, 'list-id').length > 0],
    ['auto_response_suppress', has('x-auto-response-suppress', /^(?!none\s*$)./i)],
    ['empty_return_path', has('return-path', /^<\s*>/)],
    ['mailer_daemon', from.startsWith('mailer-daemon@')],
  ];
  return signs.filter(([, present]) => present).map(([sign]) => sign);
}
