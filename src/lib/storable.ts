/**
 * What PostgreSQL cannot hold in `text` and `jsonb`: NUL, and surrogates without their partner. A
 * message that has them is kept, with U+FFFD in their place; the event's raw bytes stay as they are.
 */

/** A text that PostgreSQL accepts. */
export function storableText(text: string): string {
  const wellFormed = text.toWellFormed();
  return wellFormed.includes('\0') ? wellFormed.replaceAll('\0', '\uFFFD') : wellFormed;
}

/** `\u0000` or an escaped lone surrogate in JSON text; a pair is never escaped by JSON.stringify. */
const suspicious = /\\u(?:0000|d[89a-f])/i;

/** JSON text that PostgreSQL accepts. Only text that looks suspicious is walked a second time. */
export function storableJson(value: unknown): string {
  const text = JSON.stringify(value) ?? 'null';
  // The plain search is many times faster than the expression, and finds nothing in most texts.
  if (!text.includes('\\u') || !suspicious.test(text)) return text;
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === 'string') return storableText(item);
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return item;
    return Object.fromEntries(Object.entries(item).map(([key, inner]) => [storableText(key), inner]));
  });
}
