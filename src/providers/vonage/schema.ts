import { z } from 'zod';
import { listField, part, textField } from '../kit/fields.ts';

/**
 * The fields of the Messages API's inbound webhooks that we read, version 1.
 * Source: https://developer.vonage.com/en/api/messages-olympus#inbound-message
 */

const number = z.number().optional().catch(undefined);
export const vonageFile = z.object({ url: textField, name: textField, caption: textField });
const file = vonageFile.optional().catch(undefined);

export const vonageMessage = z.object({
  message_uuid: textField,
  channel: textField,
  message_type: textField,
  /** Set where it reports on a message of ours. */
  status: textField,
  from: textField,
  to: textField,
  timestamp: textField,
  text: textField,
  image: file,
  audio: file,
  video: file,
  file,
  vcard: file,
  sticker: file,
  /** Several files of one MMS. */
  content: listField,
  location: part({ lat: number, long: number, name: textField, address: textField }),
  reply: part({ id: textField, title: textField, description: textField }),
  button: part({ payload: textField, text: textField }),
  reaction: part({ action: textField, emoji: textField }),
  order: part({ catalog_id: textField, text: textField, product_items: listField }),
  context: part({ message_uuid: textField, message_from: textField }),
  profile: part({ name: textField }),
  provider_message: textField,
  client_ref: textField,
  sms: part({ num_messages: textField, keyword: textField }),
  origin: part({ network_code: textField }),
});
export type VonageMessage = z.infer<typeof vonageMessage>;

/** One of the files of an MMS. */
export const vonageContent = z.object({ type: textField, url: textField, caption: textField });
