import { z } from 'zod';
import { listField, textField } from '../kit/fields.ts';

/** The mail in an `email.received` event: what is known of it without its body. */
export const resendMail = z.object({
  email_id: textField,
  created_at: textField,
  from: textField,
  to: listField,
  cc: listField,
  bcc: listField,
  /** The envelope's recipients; older events have none. */
  received_for: listField,
  message_id: textField,
  subject: textField,
  attachments: listField,
});
export type ResendMail = z.infer<typeof resendMail>;

export const resendEvent = z.object({
  type: textField,
  data: resendMail.optional().catch(undefined),
});

export const resendFile = z.object({
  id: textField,
  filename: textField.nullable(),
  content_type: textField.nullable(),
});

/** The events of Resend's SDK other than `email.received`; for one that is not here, the type is unknown. */
export const otherEvents: ReadonlySet<string> = new Set([
  'email.sent',
  'email.scheduled',
  'email.delivered',
  'email.delivery_delayed',
  'email.complained',
  'email.bounced',
  'email.opened',
  'email.clicked',
  'email.failed',
  'email.suppressed',
  'contact.created',
  'contact.updated',
  'contact.deleted',
  'domain.created',
  'domain.updated',
  'domain.deleted',
  'suppression.added',
  'suppression.removed',
  'inbox.email.received',
  'inbox.email.sent',
]);
