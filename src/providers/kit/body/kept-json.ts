import type { Json } from '../fields.ts';

/**
 * What later steps may recurse over: schema checks, conditions, JSON of the API. Deeper values
 * overflow a stack somewhere (JSON.stringify at about 7,000 levels), and the event keeps the bytes.
 */
export const maxDepth = 64;
const maxBytes = 64 * 1024;

/** Whether a JSON value is nested deeper than `limit`; goes level by level, without recursion. */
export function isDeeperThan(value: unknown, limit: number): boolean {
  let level = objectsOf([value]);
  for (let depth = 1; level.length > 0; depth += 1) {
    if (depth > limit) return true;
    level = level.flatMap((parent) => objectsOf(Object.values(parent)));
  }
  return false;
}

function objectsOf(values: readonly unknown[]): object[] {
  return values.filter((value): value is object => typeof value === 'object' && value !== null);
}

/**
 * A part of a body for a message's metadata, or why it is left out there.
 *
 * @param bodyBytes the whole body's size: of a small one no part can be too large, and is not measured.
 */
export function keepJson(value: Json, bodyBytes: number): { kept: Json } | { omitted: 'too_deep' | 'too_large' } {
  if (isDeeperThan(value, maxDepth)) return { omitted: 'too_deep' };
  // JSON grows at most sixfold when it is written anew (a control character to NUL as an escape).
  const mayBeLarge = bodyBytes * 6 > maxBytes;
  const isFinite = hasFiniteNumbers(value);
  if (!mayBeLarge && isFinite) return { kept: value };
  const text = JSON.stringify(value);
  if (Buffer.byteLength(text) > maxBytes) return { omitted: 'too_large' };
  // Read back, because JSON can hold 1e999, which is read as Infinity and is no JSON any more.
  return { kept: isFinite ? value : (JSON.parse(text) as Json) };
}

/** The same under a name, or why it is left out under `<name>Omitted`; nothing where it is absent. */
export function keepAs(name: string, value: unknown, bodyBytes: number): Record<string, Json> {
  if (value === undefined || value === null) return {};
  const result = keepJson(value as Json, bodyBytes);
  return 'kept' in result ? { [name]: result.kept } : { [`${name}Omitted`]: result.omitted };
}

function hasFiniteNumbers(value: Json): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return true;
  return Object.values(value).every(hasFiniteNumbers);
}
