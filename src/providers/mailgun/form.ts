import { readMultipart } from '../kit/body/multipart.ts';
import { decodeText } from '../kit/fields.ts';

/** One field of a form, its bytes as they came. */
export interface Field {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Set where it is a file. */
  readonly filename?: string | undefined;
  readonly contentType?: string | undefined;
}

/** Each header of the mail is a field too, and a mail has hundreds of them at most. */
const maxFields = 10_000;

/**
 * The fields of a form, urlencoded or multipart. In bytes, because a raw message need not be UTF-8.
 *
 * @param maxBytes longer fields of an urlencoded form are left out, and not decoded.
 * @throws Error "the body is …" where it is no form, or one of too many fields.
 */
export function readFields(contentType: string | null, body: Uint8Array, maxBytes = Infinity): Field[] {
  if (/^multipart\//i.test(contentType ?? '')) return readMultipart(contentType, body);
  const fields: Field[] = [];
  let start = 0;
  while (start < body.byteLength) {
    const end = indexOrEnd(body, 0x26, start);
    if (fields.length >= maxFields) throw new Error('the body is a form of too many fields');
    const isWanted = end > start && end - start <= maxBytes;
    fields.push(isWanted ? readField(body.subarray(start, end)) : { name: '', bytes: new Uint8Array() });
    start = end + 1;
  }
  return fields.filter((field) => field.name !== '');
}

/** A field that is in the form once, as text; undefined where it is absent or came several times. */
export function soleText(fields: readonly Field[], name: string): string | undefined {
  const [field, ...others] = fields.filter((one) => one.name === name && one.filename === undefined);
  return field && others.length === 0 ? decodeText(field.bytes) : undefined;
}

/** All texts of a field that may come several times, such as the HTML parts of a mail. */
export function joinedText(fields: readonly Field[], name: string): string | undefined {
  const texts = fields.filter((one) => one.name === name && one.filename === undefined);
  return texts.length === 0 ? undefined : texts.map((field) => decodeText(field.bytes)).join('\n');
}

function readField(pair: Uint8Array): Field {
  const equals = indexOrEnd(pair, 0x3d, 0);
  return { name: decodeText(decodePercent(pair.subarray(0, equals))), bytes: decodePercent(pair.subarray(equals + 1)) };
}

function indexOrEnd(bytes: Uint8Array, byte: number, start: number): number {
  const index = bytes.indexOf(byte, start);
  return index === -1 ? bytes.byteLength : index;
}

/** `+` is a space and `%41` an A; a `%` before anything else stays. Source: the URL standard, section 5.1. */
function decodePercent(text: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(text.byteLength);
  let length = 0;
  for (let index = 0; index < text.byteLength; index += 1) {
    const byte = text[index] ?? 0;
    const high = byte === 0x25 ? hexValue(text[index + 1]) : -1;
    const low = high < 0 ? -1 : hexValue(text[index + 2]);
    if (low >= 0) index += 2;
    bytes[length] = low >= 0 ? high * 16 + low : byte === 0x2b ? 0x20 : byte;
    length += 1;
  }
  return bytes.subarray(0, length);
}

function hexValue(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
