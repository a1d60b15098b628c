import { codeOf, PermanentError } from '../../lib/errors.ts';
import type { Attachment, AttachmentContext, FetchedFile, ProviderChannel } from '../../provider.ts';
import { download, type DownloadCredentials } from '../kit/files/download.ts';
import { downloadWithSecrets } from '../kit/files/with-secrets.ts';

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
    return await downloadWithSecrets(fetch, assetUrl, tokens, (token) => credentialsFor(assetUrl, token));
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

function credentialsFor(assetUrl: string, token: string): DownloadCredentials {
  return {
    headers: { authorization: `Bearer ${token}`, accept: 'application/octet-stream' },
    hosts: [new URL(assetUrl).hostname],
  };
}
