import { z } from 'zod';
import { textField } from '../kit/fields.ts';

/**
 * The fields of Stripe's events that we read.
 * Source: https://docs.stripe.com/api/events/object and https://docs.stripe.com/api/v2/core/events
 */

const recordField = z.record(z.string(), z.unknown()).optional().catch(undefined);
const named = z.object({ name: textField }).optional().catch(undefined);

export const stripeEvent = z.object({
  id: textField,
  object: textField,
  type: textField,
  created: z.union([z.string(), z.number()]).optional().catch(undefined),
  livemode: z.boolean().optional().catch(undefined),
  /** The connected account that the event happened in. */
  account: textField,
  /** The same in thin events. */
  context: textField,
  api_version: textField,
  request: z.object({ id: textField }).optional().catch(undefined),
  related_object: z.object({ id: textField, type: textField }).optional().catch(undefined),
  data: z.object({ object: recordField, previous_attributes: recordField }).optional().catch(undefined),
});
export type StripeEvent = z.infer<typeof stripeEvent>;

/** What the objects that events are about have in common. */
export const stripeObject = z.object({
  id: textField,
  object: textField,
  customer: z
    .union([z.string(), z.object({ id: textField })])
    .optional()
    .catch(undefined),
  customer_name: textField,
  customer_details: named,
  billing_details: named,
  name: textField,
});
export type StripeObject = Partial<z.infer<typeof stripeObject>>;
