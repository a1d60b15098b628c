import { z } from 'zod';
import { part, textField } from '../kit/fields.ts';

/**
 * The fields of the Conversations API's webhooks that we read.
 * Source: https://developers.messagebird.com/api/conversations/#webhooks
 */

const number = z.number().optional().catch(undefined);
const media = part({ url: textField, caption: textField });

const content = part({
  text: textField,
  image: media,
  video: media,
  audio: media,
  file: media,
  location: part({ latitude: number, longitude: number }),
  email: part({ subject: textField, content: part({ text: textField }) }),
  interactive: part({ type: textField, reply: part({ id: textField, text: textField }) }),
  whatsappSticker: part({ link: textField }),
});

export const messagebirdEvent = z.object({
  type: textField,
  contact: part({ id: textField, displayName: textField, firstName: textField, lastName: textField }),
  conversation: part({ id: textField, status: textField }),
  message: part({
    id: textField,
    conversationId: textField,
    channelId: textField,
    /** `sms`, `whatsapp`, `telegram` and so on. */
    platform: textField,
    from: textField,
    to: textField,
    /** `received`, or `sent` for what is ours. */
    direction: textField,
    type: textField,
    content,
    createdDatetime: textField,
  }),
});
export type MessagebirdEvent = z.infer<typeof messagebirdEvent>;
export type MessagebirdMessage = NonNullable<MessagebirdEvent['message']>;
