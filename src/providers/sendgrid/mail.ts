import { z } from 'zod';
import type { Attachment } from '../../provider.ts';
import { listField, textField, textOrNull, tryJson } from '../kit/fields.ts';
import { boundHeaders, mailHeaders, type MailHeaders } from '../kit/mail/headers.ts';
import type { Mail } from '../kit/mail/message.ts';
import { readRawMail } from '../kit/mail/raw.ts';
import { readRecord, type ParseForm } from './form.ts';

/** What SMTP said: the only place with Bcc and aliases. */
export interface Envelope {
  readonly from: string | undefined;
  readonly to: readonly string[];
}

const envelopeField = z.object({ from: textField, to: listField }).catch({});

export function readEnvelope(form: ParseForm): Envelope {
  const { from, to = [] } = envelopeField.parse(tryJson(form.text('envelope') ?? ''));
  return { from, to: to.filter((address) => typeof address === 'string') };
}

/** The mail, as a raw message where "Send Raw" is on, else out of the fields. Throws as `readRawMail` does. */
export async function readMail(form: ParseForm, envelope: Envelope): Promise<Mail> {
  const raw = form.bytes('email');
  const mail = raw ? await readRawMail(raw) : readParsedMail(form);
  const hasReturnPath = mail.headers.some(({ key }) => key === 'return-path');
  if (hasReturnPath || envelope.from === undefined) return mail;
  // The empty one of a bounce as well: it is a sign that a machine wrote it.
  const returnPath = { key: 'return-path', value: `<${envelope.from.replace(/[<>]/g, '')}>` };
  return { ...mail, headers: [...mail.headers, returnPath] };
}

function readParsedMail(form: ParseForm): Mail {
  return {
    headers: readHeaders(form),
    text: form.text('text')?.replaceAll('\r\n', '\n'),
    html: form.text('html'),
    attachments: readAttachments(form),
    content: [
      form.bytes('text') ?? '',
      form.bytes('html') ?? '',
      ...form.files.flatMap((file) => [file.filename ?? '', file.bytes]),
    ],
  };
}

/**
 * The header block as it was; a field of the form stands in for a header that is not in it, or whose
 * bytes are not UTF-8: of the form's fields SendGrid says the charset.
 */
function readHeaders(form: ParseForm): MailHeaders['headers'] {
  const lines = (form.text('headers') ?? '').split(/\r?\n(?![ \t])/);
  const pairs = lines.flatMap((line): [string, string][] => {
    const [, name, value] = /^([!-9;-~]+)[ \t]*:(.*)$/s.exec(line) ?? [];
    return name === undefined ? [] : [[name, (value ?? '').replace(/\r?\n/g, '')]];
  });
  const block = mailHeaders(pairs);
  const fields = ['from', 'to', 'cc', 'subject'].flatMap((key) => {
    const value = form.text(key);
    const isReadable = block.some((header) => header.key === key && !header.value.includes('\uFFFD'));
    return value === undefined || isReadable ? [] : [{ key, value }];
  });
  const replaced = new Set(fields.map(({ key }) => key));
  return boundHeaders([...fields, ...block.filter(({ key }) => !replaced.has(key))]);
}

const fileInfo = z.object({ filename: textField, name: textField, type: textField }).catch({});

function readAttachments(form: ParseForm): Attachment[] {
  const infos = readRecord(form.text('attachment-info'));
  return form.files.map((file) => {
    const info = fileInfo.parse(infos.get(file.name));
    return {
      name: textOrNull(info.filename || info.name || file.filename),
      contentType: textOrNull(info.type || file.contentType),
      size: file.bytes.byteLength,
      url: null,
      providerId: file.name,
    };
  });
}
