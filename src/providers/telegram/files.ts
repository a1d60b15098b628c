import { z } from 'zod';
import { codeOf, PermanentError, RetryableError } from '../../lib/errors.ts';
import type { Attachment, AttachmentContext, FetchedFile, ProviderChannel, ProviderFetch } from '../../provider.ts';
import { tryJson, textField } from '../kit/fields.ts';
import { failure } from '../kit/files/download.ts';
import { withSecrets } from '../kit/files/with-secrets.ts';

type Channel = ProviderChannel<{ botToken: string[] }, Record<string, unknown>>;

/** What @BotFather gives. It becomes a part of URLs as it is. */
export const botTokenPattern = /^\d{1,20}:[A-Za-z0-9_-]{1,256}$/;

const api = 'https://api.telegram.org';
/** Bots get files up to 20 MB, https://core.telegram.org/bots/api#getfile */
const maxFileBytes = 20_000_000;

const fileAnswer = z.object({
  result: z.object({ file_path: textField }).optional().catch(undefined),
  description: textField,
});

/** Takes the bot's API token: without it a message's `file_id` says nothing to anybody. */
export async function fetchTelegramFile(
  attachment: Attachment,
  channel: Channel,
  { fetch }: AttachmentContext,
): Promise<FetchedFile> {
  return await withSecrets(channel.secrets.botToken, 'botToken', (token) => fetchFile(attachment, token, fetch));
}

/** Asks where the file is, then gets it from there: `getFile`'s link is good for an hour. */
async function fetchFile(attachment: Attachment, token: string, fetch: ProviderFetch): Promise<FetchedFile> {
  const fileId = encodeURIComponent(attachment.providerId ?? '');
  const found = await call(fetch, `${api}/bot${token}/getFile?file_id=${fileId}`);
  const { result, description } = fileAnswer.safeParse(tryJson(found.body)).data ?? {};
  if (found.status !== 200) throw lookupFailure(found.status, description ?? '', attachment.size ?? 0);
  if (!result?.file_path) throw new PermanentError('attachment_gone', 'Telegram names no file for it');
  const path = result.file_path.split('/').map(encodeURIComponent).join('/');
  const file = await call(fetch, `${api}/file/bot${token}/${path}`);
  if (file.status !== 200) throw failure(file.status, true);
  // Telegram serves every file as application/octet-stream; the message mostly knows better.
  return { body: file.body, contentType: attachment.contentType ?? file.headers.get('content-type') };
}

/**
 * A call whose URL holds the token. An error of it may quote the URL, so its code alone gets out; and
 * no redirect is followed.
 */
async function call(fetch: ProviderFetch, url: string): ReturnType<ProviderFetch> {
  try {
    return await fetch(url);
  } catch (error) {
    const code = codeOf(error) ?? 'no answer';
    if (code === 'too_large') throw new PermanentError(code, 'the file is larger than is fetched');
    throw new RetryableError('attachment_unavailable', `the call of Telegram failed (${code})`);
  }
}

/** A token that is none is answered 404, a revoked one 401, everything about the file 400. */
function lookupFailure(status: number, description: string, size: number): Error {
  if (status === 404) return new PermanentError('credentials_refused', 'Telegram knows no bot with this token');
  if (status !== 400) return failure(status, true);
  if (size > maxFileBytes) return new PermanentError('too_large', 'Telegram gives bots no file over 20 MB');
  return description.includes('temporarily unavailable')
    ? new RetryableError('attachment_unavailable', 'Telegram cannot give it now')
    : new PermanentError('attachment_gone', 'Telegram does not know it any more, or the token is that of another bot');
}
