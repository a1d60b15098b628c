import { z } from 'zod';
import { textField } from '../kit/fields.ts';

/**
 * The fields that Shopify's payloads have in common, as far as we read them.
 * Source: https://shopify.dev/docs/api/webhooks and
 * https://shopify.dev/docs/apps/build/events/delivery-structure
 */

/** An id: a number, or text where it is too large for one (`readExactJson`) or a `gid://shopify/…`. */
const idField = z
  .union([z.string().min(1), z.int().transform(String)])
  .transform(plainId)
  .optional()
  .catch(undefined);

const customer = z.object({ id: idField, email: textField, first_name: textField, last_name: textField });

export const shopifyPayload = customer.extend({
  name: textField,
  title: textField,
  customer: customer.optional().catch(undefined),
  customer_id: idField,
  customerId: idField,
  contact_email: textField,
  email_address: textField,
  order_id: idField,
  shop_id: idField,
  shop_domain: textField,
  myshopify_domain: textField,
  created_at: textField,
  updated_at: textField,
  occurredAt: textField,
  // Of Events alone, which say in the body what webhooks say in headers.
  topic: textField,
  action: textField,
  handle: textField,
  fields_changed: z.unknown().optional(),
  query_variables: z.record(z.string(), z.unknown()).optional().catch(undefined),
});
export type ShopifyPayload = z.infer<typeof shopifyPayload>;

/** `gid://shopify/Customer/7` is 7: the same customer is named either way. */
function plainId(id: string): string {
  return /^gid:\/\/shopify\/[A-Za-z]+\/(\d+)(?:\?|$)/.exec(id)?.[1] ?? id;
}

/** The id among an event's `query_variables`, such as `productId`. */
export function variableId(payload: ShopifyPayload, name: string): string | undefined {
  const variables = payload.query_variables;
  return variables && Object.hasOwn(variables, name) ? idField.parse(variables[name]) : undefined;
}
