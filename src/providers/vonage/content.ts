import type { Attachment } from '../../provider.ts';
import { keepAs } from '../kit/body/kept-json.ts';
import { present, textOrNull, type Json } from '../kit/fields.ts';
import { readPlace } from '../kit/place.ts';
import { vonageContent, type VonageMessage } from './schema.ts';

const mediaTypes = ['image', 'audio', 'video', 'file', 'vcard', 'sticker'] as const;

/** The types that come from a person; of `unsupported` Vonage passes nothing on. */
export const writtenTypes: ReadonlySet<string> = new Set([
  ...mediaTypes,
  'text',
  'content',
  'location',
  'reply',
  'button',
  'reaction',
  'order',
  'contact',
  'unsupported',
]);

function mediaOf(message: VonageMessage): VonageMessage['image'] {
  const type = mediaTypes.find((one) => one === message.message_type);
  return type && message[type];
}

/** What was written or chosen; for what is not writing, the line that a person would read in its place. */
export function readText(message: VonageMessage): string | null {
  const { location, message_type: type } = message;
  switch (type) {
    case 'location':
      return readPlace([location?.name, location?.address], { latitude: location?.lat, longitude: location?.long });
    case 'reply':
      return textOrNull(message.reply?.title);
    case 'button':
      return textOrNull(message.button?.text);
    case 'reaction':
      return textOrNull(message.reaction?.emoji);
    case 'order':
      return textOrNull(message.order?.text);
    default:
      return textOrNull(message.text) ?? textOrNull(mediaOf(message)?.caption);
  }
}

/** Files by their URL; those at Vonage itself may want the application's key. */
export function readAttachments(message: VonageMessage): Attachment[] {
  const media = mediaOf(message);
  const several = message.message_type === 'content' ? (message.content ?? []) : [];
  const files = several.flatMap((entry) => vonageContent.safeParse(entry).data ?? []);
  return [...(media ? [media] : []), ...files].flatMap((file) => {
    if (!file.url) return [];
    const name = 'name' in file ? textOrNull(file.name) : null;
    return [{ name, contentType: null, size: null, url: file.url, providerId: null }];
  });
}

/** What the type carries beside its text. */
export function readDetails(message: VonageMessage, bodyBytes: number): Record<string, Json> {
  const { location, reply, button, reaction, order } = message;
  return present<Json>({
    latitude: location?.lat,
    longitude: location?.long,
    replyId: reply?.id,
    replyDescription: reply?.description,
    buttonPayload: button?.payload,
    catalogId: order?.catalog_id,
    ...keepAs('orderItems', order?.product_items, bodyBytes),
    reactionTo: reaction && message.context?.message_uuid,
  });
}
