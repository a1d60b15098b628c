import { dateFromMillis } from '../kit/fields.ts';

/** Slack escapes exactly these three. In one pass, so that `&amp;lt;` stays the text `&lt;`. */
export function unescapeEntities(text: string): string {
  return text.replace(/&(?:lt|gt|amp);/g, (entity) => (entity === '&lt;' ? '<' : entity === '&gt;' ? '>' : '&'));
}

/** `1712345678.000100`: seconds, and a counter that makes it unique within the channel. */
export function readTimestamp(ts: string): Date | null {
  return /^\d{1,12}(?:\.\d{1,9})?$/.test(ts) ? dateFromMillis(Math.round(Number(ts) * 1000)) : null;
}
