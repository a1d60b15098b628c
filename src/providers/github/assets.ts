import { codeOf, PermanentError } from '../../lib/errors.ts';
import type { Attachment, AttachmentContext, FetchedFile, ProviderChannel } from '../../provider.ts';
import { download, withSecrets, type DownloadCredentials } from '../kit/download.ts';

type Channel = ProviderChannel<{ token: string[] }, { apiUrl?: string | undefined }>;

/**
 * A release's file. With a token by way of the API, which also has those of private repositories and
 * sends on to a signed URL; else from its public address.
 * Source: https://docs.github.com/en/rest/releases/assets#get-a-release-asset
 */
export async function fetchGithubAsset(
  attachment: Attachment,
  channel: Channel,
  { fetch }: AttachmentContext,
): Promise<FetchedFile> {
  const { url } = attachment;
  const { token: tokens } = channel.secrets;
  if (url === null) throw new PermanentError('attachment_gone', 'the release gives no address of it');
  const assetUrl = apiUrlOf(url, attachment.providerId, channel.settings.apiUrl);
  try {
    if (tokens.length === 0 || assetUrl === undefined) return await download(fetch, url);
    return await withSecrets(tokens, 'token', (token) => download(fetch, assetUrl, credentialsFor(assetUrl, token)));
  } catch (error) {
    if (codeOf(error) !== 'attachment_gone') throw error;
    // GitHub hides what one may not see behind the same 404.
    const hint = 'it is gone, or its repository is private and the secret token may not read it';
    throw new PermanentError('attachment_gone', `GitHub shows no such file: ${hint}`, { cause: error });
  }
}

/**
 * `https://github.com/<owner>/<name>/releases/download/…` as the API has it. On a server of one's
 * own the API is where the setting says: the token goes nowhere that only a payload names.
 */
function apiUrlOf(fileUrl: string, id: string | null, apiUrl: string | undefined): string | undefined {
  const file = URL.parse(fileUrl);
  const repository = /^\/([^/]+\/[^/]+)\/releases\/download\//.exec(file?.pathname ?? '')?.[1];
  const api = apiUrl ?? (file?.hostname === 'github.com' ? 'https://api.github.com' : undefined);
  if (api === undefined || repository === undefined || id === null) return undefined;
  return `${api.replace(/\/+$/, '')}/repos/${repository}/releases/assets/${id}`;
}

/** GitHub's API refuses requests without a User-Agent. */
function credentialsFor(assetUrl: string, token: string): DownloadCredentials {
  return {
    headers: { authorization: `Bearer ${token}`, accept: 'application/octet-stream', 'user-agent': 'Postroom' },
    hosts: [new URL(assetUrl).hostname],
  };
}
