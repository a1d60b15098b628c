import type { Attachment } from '../../provider.ts';
import { keepAs } from '../kit/body/kept-json.ts';
import { present, textOrNull, type Json } from '../kit/fields.ts';
import { readPlace } from '../kit/place.ts';
import type { SinchContent } from './schema.ts';

/** What was written or chosen; for a place the line that a person would read instead. */
export function readText(content: SinchContent): string | null {
  const place = content.location_message;
  return textOrNull(
    content.text_message?.text ||
      content.media_card_message?.caption ||
      content.choice_response_message?.postback_data ||
      content.product_response_message?.text ||
      content.channel_specific_message?.message?.nfm_reply?.body ||
      readPlace([place?.title, place?.label], place?.coordinates),
  );
}

/** A file by its URL; Sinch says neither its type nor its size. */
export function readAttachments(content: SinchContent): Attachment[] {
  const { media_message: media, media_card_message: card } = content;
  const url = media?.url || card?.url;
  if (!url) return [];
  const name = textOrNull(media?.filename_override);
  return [{ name, contentType: null, size: null, url, providerId: null }];
}

/** Which kind of message it is, and what it carries beside its text. */
export function readDetails(content: SinchContent, bodyBytes: number): Record<string, Json> {
  const { choice_response_message: choice, location_message: location, product_response_message: order } = content;
  const flow = content.channel_specific_message?.message?.nfm_reply;
  const reason = content.fallback_message?.reason;
  return present<Json>({
    messageType: typeOf(content),
    replyTo: content.reply_to?.message_id,
    choiceMessageId: choice?.message_id,
    postbackData: choice?.postback_data,
    latitude: location?.coordinates?.latitude,
    longitude: location?.coordinates?.longitude,
    catalogId: order?.catalog_id,
    ...keepAs('products', order?.products, bodyBytes),
    flowName: flow?.name,
    responseJson: flow?.response_json,
    reasonCode: reason?.code,
    reasonSubCode: reason?.sub_code,
    reasonDescription: reason?.description,
  });
}

/** `text_message` is text, `media_card_message` is media_card; the first that is there. */
function typeOf(content: SinchContent): string | undefined {
  const names = Object.entries(content).filter(([name, value]) => name.endsWith('_message') && value !== undefined);
  return names[0]?.[0].replace(/_message$/, '');
}
