import { z } from 'zod';
import { part, textField } from '../kit/fields.ts';

/**
 * The fields of Zendesk's events that we read.
 * Source: https://developer.zendesk.com/api-reference/webhooks/event-types/webhook-event-types/
 */

/** Zendesk writes ids as text in some events and as numbers in others. */
const id = z
  .union([z.string(), z.int().transform(String)])
  .optional()
  .catch(undefined);

export const zendeskAttachment = z.object({
  id,
  filename: textField,
  content_type: textField,
  content_url: textField,
});

export const zendeskEvent = z.object({
  /** `zen:event-type:ticket.comment_added` and the like. */
  type: textField,
  id: textField,
  account_id: id,
  /** What it is about: `zen:ticket:35436`. */
  subject: textField,
  time: textField,
  detail: part({
    id,
    subject: textField,
    title: textField,
    name: textField,
    status: textField,
    priority: textField,
    requester_id: id,
    actor_id: id,
    brand_id: id,
    organization_id: id,
    external_id: textField,
    via: part({ channel: textField }),
  }),
  event: part({
    /** Of a messaging conversation. */
    conversation_id: textField,
    actor: part({ id, name: textField, type: textField }),
    message: part({ id, body: textField }),
    comment: part({
      id,
      body: textField,
      html_body: textField,
      is_public: z.boolean().optional().catch(undefined),
      author: part({ id, name: textField, is_staff: z.boolean().optional().catch(undefined) }),
      attachment: zendeskAttachment.optional().catch(undefined),
    }),
  }),
});
export type ZendeskEvent = z.infer<typeof zendeskEvent>;
