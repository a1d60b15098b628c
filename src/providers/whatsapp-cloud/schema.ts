import { z } from 'zod';
import { listField, part, sizeField, textField } from '../kit/fields.ts';

/**
 * The fields of WhatsApp's webhooks that we read.
 * Source: https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components
 */

const numberField = z.number().optional().catch(undefined);
const flagField = z.boolean().optional().catch(undefined);
/** Meta writes amounts and codes now as a number, now as text. */
const amountField = z.union([z.string(), z.number()]).optional().catch(undefined);

export const whatsappEnvelope = z.object({ object: textField, entry: listField });
export const whatsappEntry = z.object({ id: textField, changes: listField });
export const whatsappChange = z.object({
  field: textField,
  value: part({
    metadata: part({ display_phone_number: textField, phone_number_id: textField }),
    contacts: listField,
    messages: listField,
    statuses: listField,
    errors: listField,
  }),
});
export type WhatsappValue = NonNullable<z.infer<typeof whatsappChange>['value']>;

/** Who wrote. Since people may hide their number, `wa_id` can be missing; `user_id` is then there. */
export const whatsappContact = z.object({
  wa_id: textField,
  user_id: textField,
  profile: part({ name: textField, username: textField }),
});
export type WhatsappContact = z.infer<typeof whatsappContact>;

const media = part({
  id: textField,
  mime_type: textField,
  sha256: textField,
  caption: textField,
  filename: textField,
  file_size: sizeField,
  url: textField,
  voice: flagField,
  animated: flagField,
});

const reply = part({ id: textField, title: textField, description: textField });

export const whatsappMessage = z.object({
  id: textField,
  from: textField,
  from_user_id: textField,
  /** The same across the businesses of one owner. */
  from_parent_user_id: textField,
  group_id: textField,
  timestamp: textField,
  type: textField,
  context: part({
    from: textField,
    id: textField,
    forwarded: flagField,
    frequently_forwarded: flagField,
    /** The product that a question is about. */
    referred_product: part({ catalog_id: textField, product_retailer_id: textField }),
  }),
  /** The advertisement that led here. */
  referral: part({
    source_type: textField,
    source_id: textField,
    source_url: textField,
    headline: textField,
    body: textField,
    ctwa_clid: textField,
  }),
  text: part({ body: textField }),
  image: media,
  video: media,
  audio: media,
  document: media,
  sticker: media,
  location: part({ latitude: numberField, longitude: numberField, name: textField, address: textField }),
  contacts: listField,
  interactive: part({
    type: textField,
    button_reply: reply,
    list_reply: reply,
    nfm_reply: part({ name: textField, body: textField, response_json: textField }),
    call_permission_reply: part({ response: textField }),
  }),
  button: part({ text: textField, payload: textField }),
  reaction: part({ message_id: textField, emoji: textField }),
  order: part({ catalog_id: textField, text: textField, product_items: listField }),
  unsupported: part({ type: textField }),
  errors: listField,
});
export type WhatsappMessage = z.infer<typeof whatsappMessage>;

/** A card out of the address book. */
export const whatsappCard = z.object({
  name: part({ formatted_name: textField }),
  phones: listField,
  /** `contact_request` where we asked for it. */
  origin: textField,
});
/** What became of a message of ours. */
export const whatsappStatus = z.object({ status: textField });

export const whatsappPhone = z.object({ phone: textField });

export const whatsappItem = z.object({
  product_retailer_id: textField,
  quantity: amountField,
  item_price: amountField,
  currency: textField,
});

export const whatsappError = z.object({ code: amountField, title: textField });
