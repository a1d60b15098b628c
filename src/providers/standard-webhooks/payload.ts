import type { Json } from '../fields.ts';

/**
 * What later steps may recurse over: schema checks, conditions, JSON of the API. Deeper payloads
 * overflow a stack somewhere (JSON.stringify at about 7,000 levels), and the event keeps the bytes.
 */
const maxDepth = 64;
const maxBytes = 64 * 1024;

/** Whether a JSON value is nested deeper than `limit`; goes level by level, without recursion. */
export function isDeeperThan(value: unknown, limit: number): boolean {
  let level: object[] = typeof value === 'object' && value !== null ? [value] : [];
  for (let depth = 1; level.length > 0; depth += 1) {
    if (depth > limit) return true;
    level = level.flatMap((parent) =>
      Object.values(parent).filter((child) => typeof child === 'object' && child !== null),
    );
  }
  return false;
}

/** The payload for a message's metadata, or why it is left out there. Scalars are left out as well. */
export function keepPayload(payload: Json, bodyBytes: number): { payload?: Json; payloadOmitted?: string } {
  if (typeof payload !== 'object' || payload === null) return {};
  if (isDeeperThan(payload, maxDepth)) return { payloadOmitted: 'too_deep' };
  // JSON grows at most sixfold when it is written anew (a control character to \u0000).
  const mayBeLarge = bodyBytes * 6 > maxBytes;
  if (mayBeLarge && Buffer.byteLength(JSON.stringify(payload)) > maxBytes) return { payloadOmitted: 'too_large' };
  return { payload: payload };
}

/** Text of any value: a string as it is, anything else as JSON; undefined where it is too deep. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (value === undefined || value === null) return undefined;
  return isDeeperThan(value, maxDepth) ? undefined : JSON.stringify(value);
}
