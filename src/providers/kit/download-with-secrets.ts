import { PermanentError } from '../../lib/errors.ts';
import type { FetchedFile, ProviderFetch } from '../../provider.ts';
import { download, type DownloadCredentials } from './download.ts';

/**
 * Gets a file with the newest secret that its server takes; while one is rotated there are two.
 * Without any it is asked for as anybody may, and the refusal says that credentials are wanted.
 *
 * @throws what `download` throws.
 */
export async function downloadWithSecrets(
  fetch: ProviderFetch,
  url: string,
  secrets: readonly string[],
  credentialsOf: (secret: string) => DownloadCredentials | Promise<DownloadCredentials>,
): Promise<FetchedFile> {
  let refusal: PermanentError | undefined;
  for (const secret of secrets) {
    try {
      return await download(fetch, url, await credentialsOf(secret));
    } catch (error) {
      if (!(error instanceof PermanentError) || error.code !== 'credentials_refused') throw error;
      refusal = error;
    }
  }
  if (refusal) throw refusal;
  return await download(fetch, url);
}
