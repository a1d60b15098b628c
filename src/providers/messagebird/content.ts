import type { Attachment } from '../../provider.ts';
import { present, textOrNull, type Json } from '../kit/fields.ts';
import { readPlace } from '../kit/place.ts';
import type { MessagebirdMessage } from './schema.ts';

function mediaOf({ content }: MessagebirdMessage): { url?: string | undefined; caption?: string | undefined } {
  const sticker = content?.whatsappSticker;
  return content?.image ?? content?.video ?? content?.audio ?? content?.file ?? (sticker ? { url: sticker.link } : {});
}

/** What was written or chosen; of a place its coordinates, of an e-mail its text. */
export function readText(message: MessagebirdMessage): string | null {
  const { text, interactive, location, email } = message.content ?? {};
  const written = text ?? interactive?.reply?.text ?? email?.content?.text ?? mediaOf(message).caption;
  return textOrNull(written) ?? readPlace([], location);
}

/** Files by their URL; those at MessageBird itself want an access key. */
export function readAttachments(message: MessagebirdMessage): Attachment[] {
  const { url } = mediaOf(message);
  return url ? [{ name: null, contentType: null, size: null, url, providerId: null }] : [];
}

/** What the type carries beside its text. */
export function readDetails({ content }: MessagebirdMessage): Record<string, Json> {
  return present<Json>({
    latitude: content?.location?.latitude,
    longitude: content?.location?.longitude,
    subject: content?.email?.subject,
    interactiveType: content?.interactive?.type,
    replyId: content?.interactive?.reply?.id,
  });
}
