import { PermanentError } from '../../lib/errors.ts';
import type { Attachment, FetchedFile, Parsed, WebhookRequest } from '../../provider.ts';
import { boundId, tryJson } from '../kit/fields.ts';
import type { Mail } from '../kit/mail/message.ts';
import { readRawMail, readRawPart } from '../kit/mail/raw.ts';
import { mailMessages } from '../kit/mail/recipients.ts';
import { soleFromDomain } from '../kit/mail/vouch.ts';
import { readHeaders, readMetadata, readRecipients } from './content.ts';
import { readContent, readEnvelope, sesNotification, type SesNotification, type SnsEnvelope } from './schema.ts';

/** What SNS posts besides notifications. */
const control: ReadonlyMap<string, string> = new Map([
  ['SubscriptionConfirmation', 'subscription_confirmation'],
  ['UnsubscribeConfirmation', 'unsubscribe_confirmation'],
]);

/** What SES publishes besides received mail, should it use the same topic. */
const otherTypes: ReadonlyMap<string, string> = new Map([
  ['AmazonSnsSubscriptionSucceeded', 'subscription_succeeded'],
  ['Bounce', 'bounce'],
  ['Click', 'click'],
  ['Complaint', 'complaint'],
  ['Delivery', 'delivery'],
  ['DeliveryDelay', 'delivery_delay'],
  ['Open', 'open'],
  ['Reject', 'reject'],
  ['Rendering Failure', 'rendering_failure'],
  ['Send', 'send'],
  ['Subscription', 'subscription'],
]);

/** One message per recipient. Throws where the body is nothing of SNS. */
export async function parseSes(request: WebhookRequest): Promise<Parsed> {
  const envelope = readEnvelope(request.body);
  if (!envelope) throw new Error('the body is no SNS message');
  const deliveryId = boundId(envelope.MessageId);
  const notification = readNotification(envelope);
  const type = notification?.notificationType ?? notification?.eventType ?? '';
  if (!notification || type !== 'Received') {
    const reason = control.get(envelope.Type) ?? otherTypes.get(type) ?? 'unknown_type';
    return { deliveryId, messages: [], ignored: [{ reason }] };
  }
  const { mail, isWhole } = await readMail(notification);
  if (mail.headers.length === 0) return { deliveryId, messages: [], ignored: [{ reason: 'unknown_type' }] };
  const metadata = { topicArn: boundId(envelope.TopicArn), ...readMetadata(notification) };
  const vouched = isWhole && isVouched(notification, mail);
  return { deliveryId, ...mailMessages(mail, readRecipients(notification), { vouched, metadata }) };
}

/**
 * Reads a part of the mail out of the stored notification.
 *
 * @throws PermanentError where there is none: the mail lies in S3, or has no such part.
 */
export async function fetchSesAttachment(attachment: Attachment, event: WebhookRequest): Promise<FetchedFile> {
  const envelope = readEnvelope(event.body);
  const notification = envelope && readNotification(envelope);
  const content = notification && readContent(notification);
  if (!content) throw new PermanentError('attachment_gone', 'the notification does not hold the mail');
  return await readRawPart(content, attachment.providerId);
}

/** The notification in the message's text, which may be anything that somebody publishes. */
function readNotification({ Type, Message }: SnsEnvelope): SesNotification | undefined {
  if (Type !== 'Notification') return undefined;
  return sesNotification.safeParse(tryJson(Message)).data;
}

/**
 * The raw mail where it is there and can be read, else what SES says of its headers; and whether all
 * of its headers are known: among the others might be a second From.
 */
async function readMail(notification: SesNotification): Promise<{ mail: Mail; isWhole: boolean }> {
  const bytes = readContent(notification);
  const raw = bytes && (await readRawMail(bytes).catch(() => undefined));
  if (raw) return { mail: raw, isWhole: true };
  const { headers, isWhole } = readHeaders(notification);
  return { mail: { headers, attachments: [], content: [notification.mail?.messageId ?? ''] }, isWhole };
}

/**
 * DMARC alone: SES says of DKIM that a signature is valid, and not whose, so a stranger's own would
 * do. A message with several From addresses has no one sender to vouch for.
 */
function isVouched({ receipt }: SesNotification, mail: Mail): boolean {
  return receipt?.dmarcVerdict?.status === 'PASS' && soleFromDomain(mail) !== undefined;
}
