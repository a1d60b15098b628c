import type { Attachment } from '../../provider.ts';
import { textOrNull } from '../kit/fields.ts';
import { telegramFile, type TelegramFile, type TelegramMessage } from './schema.ts';

/** Whether the message says anything that we know how to keep. */
export function hasContent(message: TelegramMessage): boolean {
  const { contact, location, venue, poll, dice } = message;
  const isSomething = [contact, location, venue, poll, dice].some((part) => part !== undefined);
  return isSomething || readText(message) !== null || readAttachments(message).length > 0;
}

/** What was written; for what is not writing, the line that a person would read in its place. */
export function readText(message: TelegramMessage): string | null {
  const { contact, location, venue, poll, dice, sticker } = message;
  const written = textOrNull(message.text) ?? textOrNull(message.caption);
  if (written !== null) return written;
  if (contact) return joinWords([contact.first_name, contact.last_name, contact.phone_number], ' ');
  // A venue's message repeats its place as `location`.
  if (venue) return joinWords([venue.title, venue.address], ', ');
  if (location) return joinWords([location.latitude, location.longitude], ',');
  return textOrNull(poll?.question ?? dice?.emoji ?? sticker?.emoji);
}

function joinWords(words: readonly (string | number | undefined)[], separator: string): string | null {
  return textOrNull(words.filter((word) => word !== undefined && word !== '').join(separator));
}

/** Files by their `file_id`: `fetchTelegramFile` gets the bytes. */
export function readAttachments(message: TelegramMessage): Attachment[] {
  // An animation is repeated as a document, for clients that do not know animations.
  const document = message.animation ? undefined : message.document;
  const { animation, audio, sticker, video, video_note: videoNote, voice } = message;
  return [largestPhoto(message), animation, audio, document, sticker, video, videoNote, voice].flatMap((file) =>
    file?.file_id
      ? [
          {
            name: file.file_name ?? null,
            contentType: file.mime_type ?? null,
            size: file.file_size,
            url: null,
            providerId: file.file_id,
          },
        ]
      : [],
  );
}

/** `photo` lists the sizes of one picture. */
function largestPhoto(message: TelegramMessage): TelegramFile | undefined {
  const sizes = (message.photo ?? []).flatMap((entry) => telegramFile.safeParse(entry).data ?? []);
  const area = (file: TelegramFile): number => (file.width ?? 0) * (file.height ?? 0);
  return sizes
    .filter((file) => file.file_id)
    .reduce<TelegramFile | undefined>((best, file) => (best && area(best) >= area(file) ? best : file), undefined);
}

/** The parts of a contact, a place, a poll or a die, beside the text that names them. */
export function readDetails(message: TelegramMessage): Record<string, string | number | undefined> {
  const place = message.location ?? message.venue?.location;
  return {
    latitude: place?.latitude,
    longitude: place?.longitude,
    contactPhone: message.contact?.phone_number,
    contactUserId: message.contact?.user_id,
    pollId: message.poll?.id,
    diceValue: message.dice?.value,
  };
}
