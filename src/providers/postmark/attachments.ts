import { PermanentError } from '../../lib/errors.ts';
import type { Attachment, FetchedFile, WebhookRequest } from '../../provider.ts';
import { readJson, textOrNull } from '../kit/fields.ts';
import { postmarkFile, postmarkMail, type PostmarkFile, type PostmarkMail } from './schema.ts';

/** The files of a mail. Their bytes stay in the event: `attachment:0` is the first of its list. */
export function listAttachments(mail: PostmarkMail): Attachment[] {
  return readFiles(mail).map((file, index) => ({
    name: textOrNull(file.Name),
    contentType: textOrNull(file.ContentType),
    size: file.ContentLength,
    url: null,
    providerId: `attachment:${index}`,
  }));
}

/**
 * Reads an attachment's bytes out of the stored request.
 *
 * @throws PermanentError where the request has no such attachment.
 */
export function fetchPostmarkAttachment(attachment: Attachment, event: WebhookRequest): FetchedFile {
  const index = /^attachment:(\d{1,6})$/.exec(attachment.providerId ?? '')?.[1];
  const mail = postmarkMail.safeParse(readJson(event.body)).data;
  const file = mail && index !== undefined ? readFiles(mail)[Number(index)] : undefined;
  const content = file?.Content ?? file?.Data;
  if (content === undefined) throw new PermanentError('attachment_gone', 'the mail has no such attachment');
  return { body: Buffer.from(content, 'base64'), contentType: textOrNull(file?.ContentType) };
}

function readFiles(mail: PostmarkMail): PostmarkFile[] {
  return (mail.Attachments ?? []).flatMap((entry) => postmarkFile.safeParse(entry).data ?? []);
}
