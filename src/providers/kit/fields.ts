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

/** An object of these fields, or undefined where it is absent or something else. */
export function part<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.object(shape).optional().catch(undefined);
}

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
export function readJson(body: Uint8Array | string): Json {
  const value = tryJson(body);
  if (value === undefined) throw new Error('the body is not JSON');
  return value;
}

/** The JSON in a body or a text; undefined where it is none. */
export function tryJson(source: Uint8Array | string): Json | undefined {
  try {
    return JSON.parse(typeof source === 'string' ? source : decodeText(source)) as Json;
  } catch {
    return undefined;
  }
}

/**
 * An id that fits into an index: longer ones become their hash. PostgreSQL refuses index entries
 * over 2,704 bytes, and 512 characters are at most 1,536.
 */
export function boundId(id: string): string {
  return id.length <= 512 ? id : `sha256:${sha256Hex(id)}`;
}

/** The same where there may be none. */
export function boundOrNull(id: string | null | undefined): string | null {
  return id ? boundId(id) : null;
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

/** Why a report on a message of ours is ignored: `status_delivered`, by whatever name it has its status. */
export function statusReason(status: string | undefined): string {
  const word = (status ?? '').toLowerCase().replaceAll(/[\s-]+/g, '_');
  return /^[a-z][a-z0-9_]{0,63}$/.test(word) ? `status_${word}` : 'status_unknown';
}

/** A reason word out of a provider's own word: `subtype_channel_join`. */
export function reasonFrom(prefix: string, word: string): string {
  return /^[a-z][a-z0-9_.]{0,63}$/.test(word) ? `${prefix}_${word.replaceAll('.', '_')}` : 'unknown_type';
}
