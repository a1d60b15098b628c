import { z } from 'zod';
import { listField, part, sizeField, textField } from '../kit/fields.ts';

/**
 * The fields of Telnyx's messaging events that we read.
 * Source: the types of the telnyx SDK 7, resources/messages/messages.d.ts.
 */

const coordinate = z.number().optional().catch(undefined);

/** WhatsApp describes every kind of file alike; by id, by link, or by both. */
const media = part({
  id: textField,
  link: textField,
  url: textField,
  mime_type: textField,
  filename: textField,
  caption: textField,
});
const choice = part({ id: textField, title: textField });

/** What RCS and WhatsApp messages hold; of WhatsApp it is Meta's own message. */
export const telnyxBody = z.object({
  type: textField,
  foreign_id: textField,
  text: z
    .union([z.string(), z.object({ body: textField })])
    .optional()
    .catch(undefined),
  user_file: part({
    payload: part({ file_name: textField, file_uri: textField, mime_type: textField, file_size_bytes: sizeField }),
  }),
  location: part({ latitude: coordinate, longitude: coordinate, name: textField, address: textField }),
  suggestion_response: part({ text: textField, postback_data: textField }),
  image: media,
  video: media,
  audio: media,
  document: media,
  sticker: media,
  button: part({ text: textField, payload: textField }),
  interactive: part({ button_reply: choice, list_reply: choice }),
  reaction: part({ emoji: textField, message_id: textField }),
  context: part({ id: textField }),
});
export type TelnyxBody = z.infer<typeof telnyxBody>;

export const telnyxPayload = z.object({
  id: textField,
  direction: textField,
  type: textField,
  text: textField,
  subject: textField,
  body: telnyxBody.optional().catch(undefined),
  from: part({ phone_number: textField, carrier: textField, line_type: textField }),
  to: z
    .union([z.string(), z.array(z.unknown())])
    .optional()
    .catch(undefined),
  cc: listField,
  media: listField,
  received_at: textField,
  messaging_profile_id: textField,
  autoresponse_type: textField,
});
export type TelnyxPayload = z.infer<typeof telnyxPayload>;

export const telnyxEvent = z.object({
  data: part({
    id: textField,
    event_type: textField,
    occurred_at: textField,
    payload: telnyxPayload.optional().catch(undefined),
  }),
});

/** Somebody whom a message was written to: a number, or an RCS agent. */
export const telnyxMember = z.object({ phone_number: textField, agent_id: textField, status: textField });

export const telnyxMedia = z.object({
  url: textField,
  content_type: textField,
  size: sizeField,
  hash_sha256: textField,
});
