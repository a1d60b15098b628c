import { z } from 'zod';
import { textField } from '../kit/fields.ts';

/**
 * The fields of HubSpot's webhook events that we read.
 * Source: https://developers.hubspot.com/docs/api-reference/latest/webhooks/guide
 */

/** Ids are numbers in most events and text in some. */
const idField = z
  .union([z.string().min(1), z.int().transform(String)])
  .optional()
  .catch(undefined);

export const hubspotEvent = z.object({
  eventId: idField,
  subscriptionId: idField,
  portalId: idField,
  appId: idField,
  occurredAt: z.number().optional().catch(undefined),
  subscriptionType: textField,
  objectId: idField,
  objectTypeId: textField,
  propertyName: textField,
  propertyValue: textField,
  changeSource: textField,
  sourceId: idField,
  messageId: idField,
  messageType: textField,
  associationType: textField,
  fromObjectId: idField,
  fromObjectTypeId: textField,
  toObjectId: idField,
  toObjectTypeId: textField,
  primaryObjectId: idField,
});
export type HubspotEvent = z.infer<typeof hubspotEvent>;
