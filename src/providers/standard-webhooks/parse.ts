import { normalizeIdentity } from '../../lib/identity.ts';
import type { Parsed, ProviderChannel, WebhookRequest } from '../../provider.ts';
import { boundId, dateFromMillis, present, readJson, textOrNull } from '../kit/fields.ts';
import { webhookId } from '../kit/standard-webhooks-signature.ts';
import { sha256Hex } from '../kit/signature.ts';
import { keepPayload, textOf } from './payload.ts';
import { readPointer } from './pointer.ts';
import type { StandardWebhooksSettings } from './settings.ts';

/** The identity of a message whose payload names no sender; trust for it is never more than unknown. */
export const unknownSender = 'unknown';

/** One message per webhook, whatever its type: which types matter is for the routes to say. */
export function parseStandardWebhook(
  request: WebhookRequest,
  channel: ProviderChannel<Record<string, string[]>, StandardWebhooksSettings>,
): Parsed {
  const payload = readJson(request.body);
  const { settings } = channel;
  // Verified requests have an id; the hash is for those that are read without being verified.
  const id = webhookId(request.headers) || sha256Hex(request.body);
  const scalar = (pointers: string | readonly string[]): string | null => firstOf(payload, pointers, scalarText);
  const sender = scalar(settings.sender)?.trim();
  const messageId = boundId(scalar(settings.id) ?? id);
  const type = readPointer(payload, '/type');
  return {
    deliveryId: id,
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
        channelMetadata: present({
          webhookId: id,
          type: typeof type === 'string' ? type : undefined,
          ...keepPayload(payload, request.body.byteLength),
        }),
        sentAt: firstOf(payload, settings.sentAt, readTime),
        vouched: settings.vouched && Boolean(sender),
        dedupeKey: boundId(id),
      },
    ],
    ignored: [],
  };
}

/** The first pointer whose value can be read as what is wanted; null where there is none. */
function firstOf<T>(
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

function scalarText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' ? String(value) : undefined;
}

function boundOrNull(id: string | null | undefined): string | null {
  const text = textOrNull(id);
  return text === null ? null : boundId(text);
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
