import type { ChannelKind } from '../../lib/channel-kinds.ts';
import type { Attachment, Parsed, ParsedMessage, ProviderChannel, WebhookRequest } from '../../provider.ts';
import { firstValues, readFields } from '../kit/body/form.ts';
import { boundId, statusReason, textOrNull } from '../kit/fields.ts';
import { readPhone } from '../kit/phone.ts';
import { sha256Hex } from '../kit/signature.ts';
import { nonceHeader, schemeOf, signedText } from './verify.ts';

type Channel = ProviderChannel<Record<string, string[]>, { allowV2: boolean }>;

/** One message out of an SMS, MMS or WhatsApp webhook; delivery reports and calls are ignored. */
export function parsePlivo(request: WebhookRequest, channel: Channel): Parsed {
  const fields = firstValues(readFields(request));
  const ignore = (reason: string): Parsed => ({ deliveryId: null, messages: [], ignored: [{ reason }] });
  const uuid = fields.get('MessageUUID')?.trim();
  if (!uuid) return ignore(fields.get('CallUUID') ? 'call_event' : 'unknown_type');
  const status = fields.get('Status');
  if (status && status.toLowerCase() !== 'received') return ignore(statusReason(status));
  const from = fields.get('From')?.trim();
  if (!from) return ignore('no_sender');
  const dedupeKey = keyOf(request, channel, uuid);
  return { deliveryId: null, messages: [buildMessage(fields, uuid, from, dedupeKey)], ignored: [] };
}

/**
 * V2 signs nothing of the body, so with it only the nonce tells a message from its replay. V3 runs
 * names and values together, so a replayed id may have swallowed the fields after it: what counts
 * is the UUID at its beginning, or else the hash of all fields, which stays the same.
 */
function keyOf(request: WebhookRequest, { settings }: Channel, id: string): string {
  if (schemeOf(request.headers, settings) === 'v2') {
    return boundId(`v2:${request.headers.get(nonceHeader('v2')) ?? ''}`);
  }
  const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/i.exec(id)?.[0];
  return uuid ?? `sha256:${sha256Hex(signedText(request, request.url))}`;
}

function buildMessage(
  fields: ReadonlyMap<string, string>,
  uuid: string,
  from: string,
  dedupeKey: string,
): ParsedMessage {
  const channel: ChannelKind = fields.get('Type')?.toLowerCase() === 'whatsapp' ? 'whatsapp' : 'sms';
  const externalIdentity = readPhone(channel, from);
  const recipient = readPhone(channel, fields.get('To') ?? '');
  return {
    channel,
    externalIdentity,
    displayName: null,
    recipient: textOrNull(recipient),
    // Text in an SMS, Body in MMS and WhatsApp.
    text: textOrNull(fields.get('Text') || fields.get('Body')),
    channelMessageId: boundId(uuid),
    // Plivo knows no threads: a conversation is who writes to which of our numbers, by which way.
    channelThreadId: boundId(`${channel === 'whatsapp' ? 'whatsapp:' : ''}${recipient}:${externalIdentity}`),
    attachments: readMedia(fields),
    channelMetadata: readMetadata(fields),
    sentAt: null,
    vouched: true,
    dedupeKey,
  };
}

/** `Media0`, `Media1` and so on; older accounts count from 1. */
function readMedia(fields: ReadonlyMap<string, string>): Attachment[] {
  const urls = [...fields]
    .filter(([name, value]) => /^Media\d{1,2}$/.test(name) && value !== '')
    .toSorted(([a], [b]) => Number(a.slice(5)) - Number(b.slice(5)))
    .map(([, url]) => url);
  // One type for all of them, so it says something only where there is one file.
  const contentType = urls.length === 1 ? textOrNull(fields.get('MimeType')) : null;
  return urls.map((url) => {
    const providerId = /\/Media\/([0-9a-zA-Z-]{1,64})\/?$/.exec(url)?.[1] ?? null;
    return { name: null, contentType, size: null, url, providerId };
  });
}

/** Fields that the message itself carries. */
const carried = /^(?:MessageUUID|Text|Body|Media\d{1,2})$/;

/** All other fields under their own names in camelCase. */
function readMetadata(fields: ReadonlyMap<string, string>): Record<string, string> {
  const kept = [...fields].filter(
    ([name, value]) => /^[A-Za-z][A-Za-z0-9]{0,63}$/.test(name) && !carried.test(name) && value !== '',
  );
  return Object.fromEntries(kept.map(([name, value]) => [name[0]?.toLowerCase() + name.slice(1), value]));
}
