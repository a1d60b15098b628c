import { z } from 'zod';
import { sha256Hex } from './signature.ts';

/**
 * Reading what providers post: it is signed, and it may still be shaped strangely. A field of the
 * wrong type counts as absent, so that one odd field never costs a message.
 */

/** A string field, or undefined where it is absent, null or something else. */
export const textField = z.string().optional().catch(undefined);

/** A list field; its members are checked one by one by whoever reads them. */
export const listField = z.array(z.unknown()).optional().catch(undefined);

/** A count of bytes, or null where it is absent or no such count. */
export const sizeField = z.int().nonnegative().nullable().catch(null);

/**
 * The body as text. Bytes that are not UTF-8 become U+FFFD: the message is kept, and the event
 * keeps the bytes.
 */
export function decodeText(body: Uint8Array): string {
  return new TextDecoder().decode(body);
}

/** Any JSON value. */
export type Json = z.core.util.JSONType;

/** The body as JSON. Throws without quoting the body: errors are logged, messages are not. */
export function readJson(body: Uint8Array): Json {
  try {
    return JSON.parse(decodeText(body));
  } catch {
    throw new Error('the body is not JSON');
  }
}

/** A form's fields. The `&` in front keeps a leading `?`, which the parser would drop. */
export function readForm(body: Uint8Array): URLSearchParams {
  const text = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true }).decode(body);
  return new URLSearchParams(`&${text}`);
}

/**
 * An id that fits into an index: longer ones become their hash. PostgreSQL refuses index entries
 * over 2,704 bytes, and 512 characters are at most 1,536.
 */
export function boundId(id: string): string {
  return id.length <= 512 ? id : `sha256:${sha256Hex(id)}`;
}

/** A date from milliseconds since 1970, or null outside 1970 to 9999, where databases disagree. */
export function dateFromMillis(millis: number): Date | null {
  return millis >= 0 && millis <= 253_402_300_799_999 ? new Date(millis) : null;
}

/**
 * A date from ISO 8601 with a zone, such as `2025-03-04T12:00:00Z`, or null. Without a zone it would
 * be read in the server's own, and the same bytes must mean the same instant everywhere.
 */
export function dateFromIso(text: string | null | undefined): Date | null {
  const isZoned = /^\d{4}-\d{2}-\d{2}T[\d:.]{5,18}(?:Z|[+-]\d{2}:?\d{2})$/.test(text ?? '');
  return isZoned ? dateFromMillis(Date.parse(text ?? '')) : null;
}

/** Text that says something, or null. */
export function textOrNull(text: string | null | undefined): string | null {
  return text === undefined || text === null || text === '' ? null : text;
}

/** The record without the fields that are undefined, which JSON cannot hold. */
export function present<T>(record: Record<string, T | undefined>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter((entry): entry is [string, T] => entry[1] !== undefined));
}

/** A reason word out of a provider's own word: `subtype_channel_join`. */
export function reasonFrom(prefix: string, word: string): string {
  return /^[a-z][a-z0-9_.]{0,63}$/.test(word) ? `${prefix}_${word.replaceAll('.', '_')}` : 'unknown_type';
}
