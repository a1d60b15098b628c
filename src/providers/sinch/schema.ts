import { z } from 'zod';
import { listField, part, textField } from '../kit/fields.ts';

/**
 * The fields of Sinch's callbacks that we read.
 * Source: the types of @sinch/conversation (models/v1) and of the SMS API's inbound messages.
 */

const coordinate = z.number().optional().catch(undefined);

export const sinchContent = z.object({
  text_message: part({ text: textField }),
  media_message: part({ url: textField, filename_override: textField }),
  media_card_message: part({ url: textField, caption: textField }),
  choice_response_message: part({ message_id: textField, postback_data: textField }),
  location_message: part({
    title: textField,
    label: textField,
    coordinates: part({ latitude: coordinate, longitude: coordinate }),
  }),
  product_response_message: part({ text: textField, catalog_id: textField, products: listField }),
  channel_specific_message: part({
    message_type: textField,
    message: part({ nfm_reply: part({ name: textField, body: textField, response_json: textField }) }),
  }),
  fallback_message: part({ reason: part({ code: textField, description: textField, sub_code: textField }) }),
  reply_to: part({ message_id: textField }),
});
export type SinchContent = z.infer<typeof sinchContent>;

const place = {
  id: textField,
  direction: textField,
  channel_identity: part({ channel: textField, identity: textField, app_id: textField }),
  conversation_id: textField,
  contact_id: textField,
  accept_time: textField,
};

export const sinchMessage = z.object({
  ...place,
  contact_message: sinchContent.optional().catch(undefined),
  sender_id: textField,
  metadata: textField,
  processing_mode: textField,
  injected: z.boolean().optional().catch(undefined),
});
export type SinchMessage = z.infer<typeof sinchMessage>;

/** Something that a contact did: typed, reacted, paid. */
export const sinchContactEvent = z.object({
  ...place,
  contact_message_event: part({
    reaction_event: part({ emoji: textField, action: textField, message_id: textField, reaction_category: textField }),
  }),
});

export const sinchCallback = z.object({
  app_id: textField,
  project_id: textField,
  accepted_time: textField,
  event_time: textField,
  message_metadata: textField,
  message: sinchMessage.optional().catch(undefined),
  message_redaction: sinchMessage.optional().catch(undefined),
  event: sinchContactEvent.optional().catch(undefined),
  message_delivery_report: part({ status: textField }),
  event_delivery_report: part({ status: textField }),
});
export type SinchCallback = z.infer<typeof sinchCallback>;

/** A message of the SMS API: `mo_text`, `mo_binary` or `mo_media`. */
export const sinchSms = z.object({
  type: textField,
  id: textField,
  from: textField,
  to: textField,
  body: z
    .union([z.string(), z.object({ subject: textField, message: textField, media: listField })])
    .optional()
    .catch(undefined),
  udh: textField,
  operator_id: textField,
  client_reference: textField,
  sent_at: textField,
  received_at: textField,
  status: textField,
  statuses: listField,
});
export type SinchSms = z.infer<typeof sinchSms>;

export const sinchSmsStatus = z.object({ status: textField });

export const sinchSmsMedia = z.object({ url: textField, content_type: textField });
