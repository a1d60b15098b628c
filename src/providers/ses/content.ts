import type { ParsedMessage } from '../../provider.ts';
import { present } from '../kit/fields.ts';
import { boundHeaders, mailHeaders, type MailHeaders } from '../kit/mail/headers.ts';
import { sesHeader, type CommonHeaders, type SesNotification } from './schema.ts';

/** The headers as SES lists them, or where it lists none, those that it has picked out; and whether they are all. */
export function readHeaders({ mail }: SesNotification): MailHeaders & { readonly isWhole: boolean } {
  const listed = (mail?.headers ?? []).flatMap((entry) => sesHeader.safeParse(entry).data ?? []);
  if (listed.length === 0)
    return { headers: mail?.commonHeaders ? pickedHeaders(mail.commonHeaders) : [], isWhole: false };
  const headers = boundHeaders(mailHeaders(listed.map(({ name, value }) => [name, value])));
  return { headers, isWhole: mail?.headersTruncated === false };
}

function pickedHeaders(common: CommonHeaders): MailHeaders['headers'] {
  const fields: [string, string | undefined][] = [
    ['from', texts(common.from).join(', ')],
    ['to', texts(common.to).join(', ')],
    ['cc', texts(common.cc).join(', ')],
    ['reply-to', texts(common.replyTo).join(', ')],
    ['subject', common.subject],
    ['message-id', common.messageId],
    ['date', common.date],
  ];
  const given = fields.filter((field): field is [string, string] => Boolean(field[1]));
  return boundHeaders(mailHeaders(given));
}

/** The envelope's recipients that the rule is for; each of them gets a message. */
export function readRecipients({ receipt, mail }: SesNotification): string[] {
  const recipients = texts(receipt?.recipients);
  return recipients.length > 0 ? recipients : texts(mail?.destination);
}

/** Spam and viruses are kept like other mail: what becomes of them is for routes to say. */
export function readMetadata({ receipt, mail }: SesNotification): ParsedMessage['channelMetadata'] {
  return present({
    sesMessageId: mail?.messageId,
    envelopeFrom: mail?.source,
    receivedAt: receipt?.timestamp,
    spamVerdict: receipt?.spamVerdict?.status,
    virusVerdict: receipt?.virusVerdict?.status,
    spfVerdict: receipt?.spfVerdict?.status,
    dkimVerdict: receipt?.dkimVerdict?.status,
    dmarcVerdict: receipt?.dmarcVerdict?.status,
    dmarcPolicy: receipt?.dmarcPolicy,
    action: receipt?.action?.type,
    s3Bucket: receipt?.action?.bucketName,
    s3Key: receipt?.action?.objectKey,
  });
}

function texts(list: readonly unknown[] | undefined): string[] {
  return (list ?? []).filter((entry): entry is string => typeof entry === 'string' && entry.trim() !== '');
}
