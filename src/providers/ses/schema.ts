import { z } from 'zod';
import { listField, textField, tryJson } from '../kit/fields.ts';

/** What SNS posts. Everything but the signature itself and the certificate's URL is signed. */
export const snsEnvelope = z.object({
  Type: z.string(),
  MessageId: z.string(),
  TopicArn: z.string(),
  Message: z.string(),
  Timestamp: z.string(),
  Subject: z.string().nullish(),
  Token: z.string().optional(),
  SubscribeURL: z.string().optional(),
  SignatureVersion: z.string().optional(),
  Signature: z.string().optional(),
  SigningCertURL: z.string().optional(),
});
export type SnsEnvelope = z.infer<typeof snsEnvelope>;

const verdict = z.object({ status: textField }).optional().catch(undefined);

const receipt = z.object({
  timestamp: textField,
  /** The envelope's recipients that the receipt rule is for. */
  recipients: listField,
  spamVerdict: verdict,
  virusVerdict: verdict,
  spfVerdict: verdict,
  dkimVerdict: verdict,
  dmarcVerdict: verdict,
  dmarcPolicy: textField,
  action: z
    .object({ type: textField, encoding: textField, bucketName: textField, objectKey: textField })
    .optional()
    .catch(undefined),
});

const commonHeaders = z.object({
  from: listField,
  to: listField,
  cc: listField,
  replyTo: listField,
  subject: textField,
  messageId: textField,
  date: textField,
});
export type CommonHeaders = z.infer<typeof commonHeaders>;

export const sesHeader = z.object({ name: z.string(), value: z.string() });

/** What SES says about a mail that it received, and with an SNS action the mail itself. */
export const sesNotification = z.object({
  notificationType: textField,
  /** In place of `notificationType` where a configuration set publishes. */
  eventType: textField,
  mail: z
    .object({
      messageId: textField,
      source: textField,
      destination: listField,
      headers: listField,
      headersTruncated: z.boolean().optional().catch(undefined),
      commonHeaders: commonHeaders.optional().catch(undefined),
    })
    .optional()
    .catch(undefined),
  receipt: receipt.optional().catch(undefined),
  content: textField,
});
export type SesNotification = z.infer<typeof sesNotification>;

/** The envelope, or undefined where the body is something else. Reads what nobody has vouched for. */
export function readEnvelope(body: Uint8Array): SnsEnvelope | undefined {
  return snsEnvelope.safeParse(tryJson(body)).data;
}

/** The mail's bytes, where the notification holds them. */
export function readContent({ content, receipt: about }: SesNotification): Uint8Array | undefined {
  if (content === undefined) return undefined;
  const isBase64 = about?.action?.encoding?.toUpperCase() === 'BASE64';
  return isBase64 ? Buffer.from(content, 'base64') : new TextEncoder().encode(content);
}
