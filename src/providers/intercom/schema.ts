import { z } from 'zod';
import { listField, sizeField, textField } from '../kit/fields.ts';

/**
 * The fields of Intercom's notifications that we read, in the API's versions from 1.0 on.
 * Source: https://developers.intercom.com/docs/references/webhooks/webhook-models
 */

const id = z
  .union([z.string(), z.int().transform(String)])
  .optional()
  .catch(undefined);
const seconds = z.number().optional().catch(undefined);

/** What somebody posted: the first message of a conversation, or a part of it. */
export const intercomPost = z.object({
  type: textField,
  id,
  part_type: textField,
  subject: textField,
  /** HTML. */
  body: textField,
  url: textField,
  delivered_as: textField,
  created_at: seconds,
  redacted: z.boolean().optional().catch(undefined),
  author: z.object({ type: textField, id, name: textField, email: textField }).optional().catch(undefined),
  attachments: listField,
  email_message_metadata: z.record(z.string(), z.unknown()).optional().catch(undefined),
});
export type IntercomPost = z.infer<typeof intercomPost>;

const post = intercomPost.optional().catch(undefined);

export const intercomNotification = z.object({
  type: textField,
  id: textField,
  topic: textField,
  app_id: textField,
  data: z
    .object({
      item: z
        .object({
          id,
          created_at: seconds,
          title: textField,
          state: textField,
          source: post,
          /** What `source` is called in version 1. */
          conversation_message: post,
          conversation_parts: z.object({ conversation_parts: listField }).optional().catch(undefined),
        })
        .optional()
        .catch(undefined),
    })
    .optional()
    .catch(undefined),
});
export type IntercomNotification = z.infer<typeof intercomNotification>;

export const intercomAttachment = z.object({
  name: textField,
  url: textField,
  content_type: textField,
  filesize: sizeField.optional(),
});
