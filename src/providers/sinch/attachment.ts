import { PermanentError } from '../../lib/errors.ts';
import type { Attachment, AttachmentContext, FetchedFile } from '../../provider.ts';
import { readJson } from '../kit/fields.ts';
import { download } from '../kit/files/download.ts';
import { decodeBase64 } from '../kit/signature.ts';
import { sinchSms } from './schema.ts';
import { binaryBody } from './sms.ts';

/** Media by its public URL, the bytes of a binary SMS out of the stored request. */
export async function fetchSinch(
  attachment: Attachment,
  _channel: unknown,
  { event, fetch }: AttachmentContext,
): Promise<FetchedFile> {
  if (attachment.url !== null) return await download(fetch, attachment.url);
  const text = attachment.providerId === binaryBody ? sinchSms.safeParse(readJson(event.body)).data?.body : undefined;
  const body = typeof text === 'string' ? decodeBase64(text) : undefined;
  if (!body) throw new PermanentError('attachment_gone', 'the stored request holds no such file');
  return { body, contentType: attachment.contentType };
}
