import { z } from 'zod';
import type { Attachment } from '../../provider.ts';
import { decodeText, listField, sizeField, textField, textOrNull, tryJson } from '../kit/fields.ts';
import { boundHeaders, mailHeaders, type MailHeaders } from '../kit/mail/headers.ts';
import type { Mail } from '../kit/mail/message.ts';
import { readRawMail } from '../kit/mail/raw.ts';
import { joinedText, soleText, type Field } from './form.ts';

/** The mail, raw (`body-mime`) or taken apart. Throws as `readRawMail` does. */
export async function readMail(fields: readonly Field[]): Promise<Mail> {
  const raw = rawMessage(fields);
  const mail = raw ? await readRawMail(raw) : readParsedMail(fields);
  const sender = soleText(fields, 'sender');
  const hasReturnPath = mail.headers.some(({ key }) => key === 'return-path');
  if (hasReturnPath || sender === undefined) return mail;
  // The empty one of a bounce as well: it is a sign that a machine wrote it.
  return { ...mail, headers: [...mail.headers, { key: 'return-path', value: `<${sender.replace(/[<>]/g, '')}>` }] };
}

/** The raw message, for a URL that ends in `mime`. */
export function rawMessage(fields: readonly Field[]): Uint8Array | undefined {
  const [field, ...others] = fields.filter(({ name }) => name === 'body-mime');
  return others.length === 0 ? field?.bytes : undefined;
}

/** Whether the headers come in the order that they had in the mail. */
export function hasOrderedHeaders(fields: readonly Field[]): boolean {
  return rawMessage(fields) !== undefined || listedHeaders(fields).length > 0;
}

/** The files of a form: `attachment-1` and so on, in the order they came. */
export function findFiles(fields: readonly Field[]): Field[] {
  const files = new Map<string, Field>();
  for (const field of fields) {
    if (/^attachment-\d{1,4}$/.test(field.name) && !files.has(field.name)) files.set(field.name, field);
  }
  return [...files.values()];
}

function readParsedMail(fields: readonly Field[]): Mail {
  const text = joinedText(fields, 'body-plain')?.replaceAll('\r\n', '\n');
  const html = joinedText(fields, 'body-html');
  const files = findFiles(fields);
  const stored = readStored(soleText(fields, 'attachments'));
  return {
    headers: boundHeaders(readHeaders(fields)),
    text,
    html,
    attachments: [...files.map(describeFile), ...stored],
    content: [
      text ?? '',
      html ?? '',
      ...files.flatMap((file) => [file.filename ?? '', file.bytes]),
      // Without the URLs: storing the mail once more would give it others.
      ...stored.map(({ name, contentType, size }) => JSON.stringify([name, contentType, size])),
    ],
  };
}

const headerPair = z.tuple([z.string(), z.string()]);

function listedHeaders(fields: readonly Field[]): [string, string][] {
  return (readList(soleText(fields, 'message-headers')) ?? [])
    .map((pair) => headerPair.safeParse(pair).data)
    .filter((pair) => pair !== undefined);
}

/**
 * The headers in their order, of `message-headers`. Where that is missing, out of the fields: those
 * of Mailgun's own are in lower case, and the mail's headers are not.
 */
function readHeaders(fields: readonly Field[]): MailHeaders['headers'] {
  const listed = listedHeaders(fields);
  if (listed.length > 0) return mailHeaders(listed);
  const named = fields
    .filter(({ name, filename }) => /^[A-Z][A-Za-z0-9-]{0,100}$/.test(name) && filename === undefined)
    .map(({ name, bytes }): [string, string] => [name, decodeText(bytes)]);
  const has = (key: string): boolean => named.some(([name]) => name.toLowerCase() === key);
  const own = ['from', 'subject'].flatMap((key): [string, string][] => {
    const value = soleText(fields, key);
    return value === undefined || has(key) ? [] : [[key, value]];
  });
  return mailHeaders([...named, ...own]);
}

function describeFile(file: Field): Attachment {
  return {
    name: textOrNull(file.filename),
    contentType: textOrNull(file.contentType),
    size: file.bytes.byteLength,
    url: null,
    providerId: file.name,
  };
}

const storedFile = z.object({
  url: z.url(),
  name: textField,
  'content-type': textField,
  size: sizeField.default(null),
});

/** What `store()` says instead of sending the files. */
function readStored(text: string | undefined): Attachment[] {
  return (readList(text) ?? []).flatMap((item) => {
    const { data } = storedFile.safeParse(item);
    if (!data) return [];
    const { url, name, size } = data;
    return [{ name: textOrNull(name), contentType: textOrNull(data['content-type']), size, url, providerId: null }];
  });
}

function readList(text: string | undefined): unknown[] | undefined {
  return listField.parse(tryJson(text ?? ''));
}
