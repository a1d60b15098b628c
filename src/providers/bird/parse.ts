import type { ChannelKind } from '../../lib/channel-kinds.ts';
import { normalizeIdentity } from '../../lib/identity.ts';
import type { Attachment, Parsed, ParsedMessage, WebhookRequest } from '../../provider.ts';
import { boundId, dateFromIso, present, readJson, textOrNull, type Json } from '../kit/fields.ts';
import { withPlus } from '../kit/phone.ts';
import { readPlace } from '../kit/place.ts';
import { birdEvent, birdFile, birdPart, type BirdEvent, type BirdMessage } from './schema.ts';

/** Platforms whose own sign-in stands behind the sender; a live chat or an e-mail's From does not. */
const vouchedPlatforms = new Set(['sms', 'rcs', 'whatsapp', 'telegram', 'facebook', 'instagram', 'line', 'linkedin']);

/** One message out of an `….inbound` event of Bird's channels; everything else is ignored. */
export function parseBird(request: WebhookRequest): Parsed {
  const event = birdEvent.safeParse(readJson(request.body)).data;
  const deliveryId = textOrNull(request.headers.get('messagebird-request-id'));
  const outcome = event ? readEvent(event) : 'unknown_type';
  const result = { deliveryId: deliveryId === null ? null : boundId(deliveryId) };
  return typeof outcome === 'string'
    ? { ...result, messages: [], ignored: [{ reason: outcome }] }
    : { ...result, messages: [outcome], ignored: [] };
}

/** The message, or the reason why there is none. */
function readEvent({ service, event, payload }: BirdEvent): ParsedMessage | string {
  const [platform, what, ...rest] = (event ?? '').split('.', 3);
  if (service !== 'channels' || !platform || rest.length > 0) return 'unknown_type';
  if (what === 'outbound') return 'own_message';
  if (what === 'interaction') return 'interaction';
  if (what !== 'inbound' || !payload?.id) return 'unknown_type';
  if (payload.direction === 'outgoing') return 'own_message';
  const contact = payload.sender?.contact;
  const from = contact?.identifierValue?.trim() || contact?.id?.trim();
  return from ? buildMessage(platform, payload, payload.id, from) : 'no_sender';
}

function buildMessage(platform: string, payload: BirdMessage, id: string, from: string): ParsedMessage {
  const { channelId, sender, receiver, body, replyTo } = payload;
  const externalIdentity = readIdentity(platform, from);
  const recipient = channelId ? boundId(channelId) : null;
  return {
    channel: kindOf(platform),
    externalIdentity,
    displayName: textOrNull(sender?.contact?.annotations?.name),
    recipient,
    text: readText(body),
    channelMessageId: boundId(id),
    // Conversations are another product of Bird's: here it is who writes to which channel.
    channelThreadId: boundId(`${recipient ?? ''}:${externalIdentity}`),
    attachments: readAttachments(body),
    channelMetadata: present<Json>({
      platform,
      messageType: body?.type,
      contactId: sender?.contact?.id,
      identifierKey: sender?.contact?.identifierKey,
      connectorId: receiver?.connector?.id,
      connectorIdentifier: receiver?.connector?.identifierValue || undefined,
      platformReference: birdPart.safeParse(payload.parts?.[0]).data?.platformReference,
      replyToId: replyTo?.id,
      subject: body?.html?.metadata?.subject,
      latitude: body?.location?.coordinates?.latitude,
      longitude: body?.location?.coordinates?.longitude,
    }),
    sentAt: dateFromIso(payload.createdAt),
    vouched: vouchedPlatforms.has(platform),
    dedupeKey: boundId(id),
  };
}

function kindOf(platform: string): ChannelKind {
  if (platform === 'sms' || platform === 'rcs') return 'sms';
  return platform === 'whatsapp' || platform === 'email' ? platform : 'webhook';
}

/** Ids of other platforms carry its name: `telegram:123`. */
function readIdentity(platform: string, from: string): string {
  const kind = kindOf(platform);
  if (kind === 'webhook') return boundId(normalizeIdentity(kind, `${platform}:${from}`));
  return boundId(normalizeIdentity(kind, kind === 'email' ? from : withPlus(from)));
}

function readText(body: BirdMessage['body']): string | null {
  const { location, coordinates } = body?.location ?? {};
  const written = body?.text?.text ?? body?.image?.text ?? body?.file?.text ?? body?.html?.text;
  return textOrNull(written) ?? readPlace([location?.label, location?.address], coordinates);
}

/** Pictures and files by their URL; those at Bird itself want an access key. */
function readAttachments(body: BirdMessage['body']): Attachment[] {
  return [...(body?.image?.images ?? []), ...(body?.file?.files ?? [])].flatMap((entry) => {
    const file = birdFile.safeParse(entry).data;
    if (!file?.mediaUrl) return [];
    return [
      {
        name: textOrNull(file.filename),
        contentType: textOrNull(file.contentType),
        size: file.size ?? null,
        url: file.mediaUrl,
        providerId: null,
      },
    ];
  });
}
