import { LRUCache } from 'lru-cache';
import { z } from 'zod';

/** A JSON pointer: `` is the whole document, `/data/from` a field, `/items/0` a member. RFC 6901. */
export const jsonPointer = z
  .string()
  .max(512)
  .regex(/^(?:\/(?:[^~/]|~[01])*)*$/, 'a JSON pointer (RFC 6901), such as /data/from');

/** Pointers come from settings, so there are few; taking them apart was 5 µs of each request. */
const tokensOf = new LRUCache<string, readonly string[]>({ max: 1_000 });

function tokenize(pointer: string): readonly string[] {
  const known = tokensOf.get(pointer);
  if (known) return known;
  const tokens = pointer
    .split('/')
    .slice(1)
    .map((escaped) => escaped.replaceAll('~1', '/').replaceAll('~0', '~'));
  tokensOf.set(pointer, tokens);
  return tokens;
}

/** The value at the pointer, or undefined. Looks at own properties alone, and never recurses. */
export function readPointer(document: unknown, pointer: string): unknown {
  let value = document;
  for (const token of tokenize(pointer)) {
    if (typeof value !== 'object' || value === null) return undefined;
    if (Array.isArray(value) && !/^(?:0|[1-9]\d*)$/.test(token)) return undefined;
    if (!Object.hasOwn(value, token)) return undefined;
    value = Reflect.get(value, token);
  }
  return value;
}
