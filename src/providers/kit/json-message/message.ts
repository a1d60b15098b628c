import { normalizeIdentity } from '../../../lib/identity.ts';
import type { Parsed } from '../../../provider.ts';
import { boundId, boundOrNull, dateFromMillis, present, type Json } from '../fields.ts';
import { keepPayload, textOf } from './payload.ts';
import { readPointer } from './pointer.ts';
import type { JsonMessageSettings } from './settings.ts';

/** The identity of a message whose payload names no sender; trust for it is never more than unknown. */
export const unknownSender = 'unknown';

/** What is known of a payload beside itself. */
export interface PayloadOrigin {
  /** The sender's id of this delivery, or null. */
  readonly deliveryId: string | null;
  /** What it is recognised by when it comes again; the message's id where the payload has none. */
  readonly key: string;
  /** Of the whole body. */
  readonly bodyBytes: number;
  readonly metadata?: Readonly<Record<string, Json>>;
}

/** One message per payload, whatever its type: which types matter is for the routes to say. */
export function buildJsonMessage(payload: Json, settings: JsonMessageSettings, origin: PayloadOrigin): Parsed {
  const scalar = (pointers: string | readonly string[]): string | null => firstOf(payload, pointers, scalarText);
  const sender = scalar(settings.sender)?.trim();
  const messageId = boundId(scalar(settings.id) ?? origin.key);
  const type = readPointer(payload, '/type');
  return {
    deliveryId: origin.deliveryId,
    messages: [
      {
        channel: 'webhook',
        externalIdentity: boundId(normalizeIdentity('webhook', sender || unknownSender)),
        displayName: scalar(settings.displayName),
        recipient: boundOrNull(scalar(settings.recipient)?.trim()),
        text: firstOf(payload, settings.text, textOf),
        channelMessageId: messageId,
        channelThreadId: boundOrNull(scalar(settings.thread)) ?? messageId,
        attachments: [],
        channelMetadata: present<Json>({
          ...origin.metadata,
          type: typeof type === 'string' ? type : undefined,
          ...keepPayload(payload, origin.bodyBytes),
        }),
        sentAt: firstOf(payload, settings.sentAt, readTime),
        vouched: settings.vouched && Boolean(sender),
        dedupeKey: boundId(origin.key),
      },
    ],
    ignored: [],
  };
}

/** The first pointer whose value can be read as what is wanted; null where there is none. */
export function firstOf<T>(
  payload: unknown,
  pointers: string | readonly string[],
  read: (value: unknown) => T | undefined,
): T | null {
  for (const pointer of typeof pointers === 'string' ? [pointers] : pointers) {
    const value = read(readPointer(payload, pointer));
    if (value !== undefined && value !== '') return value;
  }
  return null;
}

export function scalarText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' ? String(value) : undefined;
}

/** ISO 8601, or seconds or milliseconds since 1970 (seconds reach 100,000,000,000 in the year 5138). */
function readTime(value: unknown): Date | undefined {
  if (typeof value === 'number') {
    return dateFromMillis(value < 100_000_000_000 ? value * 1000 : value) ?? undefined;
  }
  if (typeof value !== 'string' || !/^\d{4}-\d{2}-\d{2}/.test(value)) return undefined;
  // Without a zone it would be read in the server's own; the same bytes must mean the same instant.
  const zoned = /(?:Z|[+-]\d{2}:?\d{2})$/i.test(value) || !value.includes(':') ? value : `${value}Z`;
  return dateFromMillis(Date.parse(zoned)) ?? undefined;
}
