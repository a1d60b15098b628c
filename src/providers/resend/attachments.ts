import { z } from 'zod';
import { PermanentError, RetryableError } from '../../lib/errors.ts';
import type { Attachment, AttachmentContext, FetchedFile } from '../../provider.ts';
import { tryJson, readJson } from '../kit/fields.ts';
import { download, failure } from '../kit/files/download.ts';
import { withSecrets } from '../kit/files/with-secrets.ts';
import { resendEvent } from './schema.ts';

const found = z.object({ download_url: z.url({ protocol: /^https$/ }) });

/**
 * Asks Resend's API where the file is, and gets it there: the link is good for an hour and needs no
 * credentials. Source: https://resend.com/docs/api-reference/emails/retrieve-received-email-attachment
 *
 * @throws PermanentError where it is gone, or the channel has no API key or one that is refused.
 */
export async function fetchResendAttachment(
  attachment: Attachment,
  apiKeys: readonly string[],
  { event, fetch }: AttachmentContext,
): Promise<FetchedFile> {
  const emailId = resendEvent.safeParse(readJson(event.body)).data?.data?.email_id;
  const fileId = attachment.providerId;
  if (!isId(emailId) || !isId(fileId)) {
    throw new PermanentError('attachment_gone', 'the event does not say which file it is');
  }
  const url = `https://api.resend.com/emails/receiving/${emailId}/attachments/${fileId}`;
  const link = await withSecrets(apiKeys, 'apiKey', async (key) => {
    const { status, body } = await fetch(url, { headers: { authorization: `Bearer ${key}` } });
    if (status !== 200) throw failure(status, true);
    return found.safeParse(tryJson(body)).data?.download_url;
  });
  if (link === undefined) {
    throw new RetryableError('attachment_unavailable', 'Resend’s answer has no link to the file');
  }
  return await download(fetch, link);
}

/** Both become a part of a URL that the key is sent to. */
function isId(text: string | null | undefined): text is string {
  return /^[\w-]{1,128}$/.test(text ?? '');
}
