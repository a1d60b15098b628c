import type { Attachment } from '../../provider.ts';
import { present, textOrNull, type Json } from '../kit/fields.ts';
import { readPlace } from '../kit/place.ts';
import { whatsappCard, whatsappError, whatsappItem, whatsappPhone, type WhatsappMessage } from './schema.ts';

const mediaTypes = ['image', 'video', 'audio', 'document', 'sticker'] as const;

/** The types that come from a person; the last two stand for something that Meta does not pass on. */
export const writtenTypes = new Set<string>([
  ...mediaTypes,
  'text',
  'location',
  'contacts',
  'interactive',
  'button',
  'reaction',
  'order',
  'unsupported',
  'unknown',
]);

/** Types that report on a message or a person, with the reason why they are ignored. */
export const reportingTypes: ReadonlyMap<string, string> = new Map([
  ['system', 'system_message'],
  ['edit', 'message_edited'],
  ['revoke', 'message_deleted'],
  ['request_welcome', 'request_welcome'],
]);

/** What was written or chosen; for what is not writing, the line that a person would read in its place. */
export function readText(message: WhatsappMessage): string | null {
  const { type, interactive, location } = message;
  const media = mediaOf(message);
  if (media) return textOrNull(media.caption);
  switch (type) {
    case 'text':
      return textOrNull(message.text?.body);
    case 'location':
      return readPlace([location?.name, location?.address], location);
    case 'contacts':
      return joinWords((message.contacts ?? []).map(readCard), '\n');
    case 'interactive':
      return textOrNull(
        interactive?.button_reply?.title ?? interactive?.list_reply?.title ?? interactive?.nfm_reply?.body,
      );
    case 'button':
      return textOrNull(message.button?.text);
    case 'reaction':
      return textOrNull(message.reaction?.emoji);
    case 'order':
      return textOrNull(message.order?.text);
    default:
      return null;
  }
}

function joinWords(words: readonly (string | null | undefined)[], separator: string): string | null {
  return textOrNull(words.filter(Boolean).join(separator));
}

/** A card as one line: the name and the numbers. */
function readCard(entry: unknown): string | null {
  const card = whatsappCard.safeParse(entry).data;
  const phones = (card?.phones ?? []).map((phone) => whatsappPhone.safeParse(phone).data?.phone);
  return joinWords([card?.name?.formatted_name, ...phones], ' ');
}

function mediaOf(message: WhatsappMessage): WhatsappMessage['image'] {
  const type = mediaTypes.find((one) => one === message.type);
  return type && message[type];
}

/** A file by its media id; `fetchWhatsappMedia` gets the bytes. */
export function readAttachments(message: WhatsappMessage): Attachment[] {
  const media = mediaOf(message);
  if (!media?.id) return [];
  return [
    {
      name: media.filename ?? null,
      contentType: media.mime_type ?? null,
      size: media.file_size,
      url: media.url ?? null,
      providerId: media.id,
    },
  ];
}

/** What the type carries beside its text. */
export function readDetails(message: WhatsappMessage): Record<string, Json | undefined> {
  const { interactive, button, reaction, order, location } = message;
  const media = mediaOf(message);
  const reply = interactive?.button_reply ?? interactive?.list_reply;
  const error = whatsappError.safeParse(message.errors?.[0]).data;
  return {
    sha256: media?.sha256,
    voice: media?.voice,
    animated: media?.animated,
    latitude: location?.latitude,
    longitude: location?.longitude,
    interactiveType: interactive?.type,
    replyId: reply?.id,
    replyDescription: reply?.description,
    // JSON within a string, as Meta sends it: its fields are the flow's own.
    responseJson: interactive?.nfm_reply?.response_json,
    callPermission: interactive?.call_permission_reply?.response,
    buttonPayload: button?.payload,
    reactionTo: reaction?.message_id,
    contactOrigin: whatsappCard.safeParse(message.contacts?.[0]).data?.origin,
    catalogId: order?.catalog_id ?? message.context?.referred_product?.catalog_id,
    productId: message.context?.referred_product?.product_retailer_id,
    orderItems: order && (order.product_items ?? []).flatMap(readItem),
    unsupportedType: message.unsupported?.type,
    errorCode: error?.code,
    errorTitle: error?.title,
  };
}

function readItem(entry: unknown): Json[] {
  const item = whatsappItem.safeParse(entry).data;
  if (!item?.product_retailer_id) return [];
  return [
    present<Json>({
      productId: item.product_retailer_id,
      quantity: item.quantity,
      price: item.item_price,
      currency: item.currency,
    }),
  ];
}
