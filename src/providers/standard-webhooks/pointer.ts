import { z } from 'zod';

/** A JSON pointer: `` is the whole document, `/data/from` a field, `/items/0` a member. RFC 6901. */
export const jsonPointer = z
  .string()
  .max(512)
  .regex(/^(?:\/(?:[^~/]|~[01])*)*$/, 'a JSON pointer (RFC 6901), such as /data/from');

/** The value at the pointer, or undefined. Looks at own properties alone, and never recurses. */
export function readPointer(document: unknown, pointer: string): unknown {
  let value = document;
  for (const escaped of pointer.split('/').slice(1)) {
    if (typeof value !== 'object' || value === null) return undefined;
    const token = escaped.replaceAll('~1', '/').replaceAll('~0', '~');
    if (Array.isArray(value) && !/^(?:0|[1-9]\d*)$/.test(token)) return undefined;
    if (!Object.hasOwn(value, token)) return undefined;
    value = Reflect.get(value, token);
  }
  return value;
}
