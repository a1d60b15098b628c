import { z } from 'zod';
import { readMultipart, type FormPart } from '../kit/body/multipart.ts';
import { decodeText, tryJson } from '../kit/fields.ts';

/** The form that Inbound Parse posts. Its text fields come each in a charset of its own. */
export interface ParseForm {
  /** A field's text, by its charset; undefined where it is absent. */
  text(name: string): string | undefined;
  /** A field's bytes. */
  bytes(name: string): Uint8Array | undefined;
  /** A field's text where it came once. What decides whom to believe is read by this. */
  sole(name: string): string | undefined;
  /** `attachment1` and so on, in the order they came. */
  readonly files: readonly FormPart[];
}

/**
 * Reads the form. The boundary is taken from the body's first line and not from Content-Type, which
 * the signature does not cover.
 *
 * @throws Error "the body is …" where it is no such form.
 */
export function readParseForm(body: Uint8Array): ParseForm {
  const start = Buffer.from(body.subarray(0, 256)).toString('latin1');
  const boundary = /^--([^\r\n"]{1,200})\r\n/.exec(start)?.[1];
  if (boundary === undefined) throw new Error('the body is no multipart form: it starts with no boundary');
  const parts = readMultipart(`multipart/form-data; boundary="${boundary}"`, body);
  // A file's name is the sender's choice, and stands beside the field's name in the same header.
  const fields = parts.filter((part) => part.filename === undefined);
  const all = (name: string): FormPart[] => fields.filter((part) => part.name === name);
  const charsets = readCharsets(all('charsets')[0]);
  const text = (part: FormPart | undefined): string | undefined => part && decode(part.bytes, charsets.get(part.name));
  return {
    text: (name) => text(all(name)[0]),
    bytes: (name) => all(name)[0]?.bytes,
    sole: (name) => (all(name).length === 1 ? text(all(name)[0]) : undefined),
    files: uniqueFiles(parts),
  };
}

const record = z.record(z.string(), z.unknown()).catch({});

/** A JSON field whose values are looked up by name. By way of a map: a name may be `__proto__`. */
export function readRecord(text: string | undefined): Map<string, unknown> {
  return new Map(Object.entries(record.parse(tryJson(text ?? ''))));
}

function readCharsets(part: FormPart | undefined): Map<string, unknown> {
  return readRecord(part && decodeText(part.bytes));
}

/** By the charset that SendGrid names; as UTF-8 where it names none, or one that nobody knows. */
function decode(bytes: Uint8Array, charset: unknown): string {
  try {
    return new TextDecoder(typeof charset === 'string' ? charset : 'utf-8').decode(bytes);
  } catch {
    return decodeText(bytes);
  }
}

function uniqueFiles(parts: readonly FormPart[]): FormPart[] {
  const files = new Map<string, FormPart>();
  for (const part of parts) {
    if (/^attachment\d{1,4}$/.test(part.name) && !files.has(part.name)) files.set(part.name, part);
  }
  return [...files.values()];
}
