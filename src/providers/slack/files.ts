import { z } from 'zod';
import { PermanentError, RetryableError } from '../../lib/errors.ts';
import type { Attachment, AttachmentContext, FetchedFile, ProviderChannel, ProviderFetch } from '../../provider.ts';
import { sizeField, textField, tryJson } from '../kit/fields.ts';
import { download, failure, isHostOf, type DownloadCredentials } from '../kit/files/download.ts';
import { withSecrets } from '../kit/files/with-secrets.ts';

/** Slack's file server, its API, and the workspaces' own hosts. */
const hosts = ['slack.com'];

/** A file; in a channel shared between workspaces it may be a stub with nothing but an id. */
const slackFile = z.object({
  id: textField,
  name: textField,
  mimetype: textField,
  size: sizeField,
  url_private: textField,
});

const filesInfo = z.object({
  ok: z.boolean().optional().catch(undefined),
  error: textField,
  file: slackFile.optional().catch(undefined),
});

/** Errors of `files.info` that do not pass by themselves; another token may still get the file. */
const goneErrors = new Set(['file_not_found', 'file_deleted']);
const refusedErrors = new Set([
  'access_denied',
  'account_inactive',
  'enterprise_is_restricted',
  'invalid_auth',
  'missing_scope',
  'no_permission',
  'not_allowed_token_type',
  'not_authed',
  'team_access_not_granted',
  'token_expired',
  'token_revoked',
]);

/** The reference to one file of a message or a form. */
export function readFile(entry: unknown): Attachment[] {
  const file = slackFile.safeParse(entry).data;
  if (!file?.id && !file?.url_private) return [];
  return [
    {
      name: file.name ?? null,
      contentType: file.mimetype ?? null,
      size: file.size,
      url: file.url_private ?? null,
      providerId: file.id ?? null,
    },
  ];
}

/**
 * Gets a file with the app's bot token. There is a token for each workspace that the app is
 * installed in, and nothing tells which one the file wants, so they are tried in order.
 */
export async function fetchSlackFile(
  attachment: Attachment,
  channel: ProviderChannel<{ botToken: string[] }, Record<string, unknown>>,
  context: Pick<AttachmentContext, 'fetch'>,
): Promise<FetchedFile> {
  const { url } = attachment;
  // A file that was only linked (Google Drive and the like) lies on somebody else's server.
  if (url !== null && !isHostOf(url, hosts)) return await download(context.fetch, url);
  const attempt = (token: string): Promise<FetchedFile> => fetchWithToken(attachment, token, context.fetch);
  return await withSecrets(channel.secrets.botToken, 'botToken', attempt, () => true);
}

async function fetchWithToken(attachment: Attachment, token: string, fetch: ProviderFetch): Promise<FetchedFile> {
  const credentials = { headers: { authorization: `Bearer ${token}` }, hosts };
  const { url, contentType } =
    attachment.url === null
      ? await findFile(attachment.providerId ?? '', credentials, fetch)
      : { url: attachment.url, contentType: attachment.contentType };
  const file = await download(fetch, url, credentials);
  // A token that may not read files is not refused: Slack sends on to the sign-in page.
  if (isHostOf(url, hosts) && isPage(file.contentType) && !isPage(contentType)) {
    throw new PermanentError('credentials_refused', 'Slack answers with its sign-in page instead of the file');
  }
  return file;
}

/** Of a file in a Slack Connect channel the event has the id alone. Source: https://docs.slack.dev/apis/slack-connect */
async function findFile(
  id: string,
  credentials: DownloadCredentials,
  fetch: ProviderFetch,
): Promise<Pick<Attachment, 'contentType'> & { url: string }> {
  const answer = await fetch(`https://slack.com/api/files.info?file=${encodeURIComponent(id)}`, {
    headers: credentials.headers,
  });
  if (answer.status !== 200) throw failure(answer.status, true);
  const info = filesInfo.safeParse(tryJson(answer.body)).data;
  const url = info?.file?.url_private;
  if (info?.ok === true && url) return { url, contentType: info.file?.mimetype ?? null };
  const error = info?.error ?? '';
  if (goneErrors.has(error) || info?.ok === true) throw new PermanentError('attachment_gone', 'Slack has it no more');
  if (refusedErrors.has(error)) throw new PermanentError('credentials_refused', `files.info answers ${error}`);
  throw new RetryableError('attachment_unavailable', 'files.info does not answer with the file');
}

function isPage(contentType: string | null): boolean {
  return (contentType ?? '').toLowerCase().startsWith('text/html');
}
