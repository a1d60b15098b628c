import { PermanentError } from '../../../lib/errors.ts';
import type { FetchedFile, ProviderFetch } from '../../../provider.ts';
import { download, type DownloadCredentials } from './download.ts';

/**
 * What comes of an attempt with the newest secret; where the provider refuses it, with the next: while
 * one is rotated there are two.
 *
 * @param isForAnother whether another secret may fare better; where absent, after a refusal alone.
 * @throws PermanentError `credentials_refused` where none is taken, or there is none by this name.
 */
export async function withSecrets<T>(
  secrets: readonly string[],
  name: string,
  attempt: (secret: string) => Promise<T>,
  isForAnother: (error: PermanentError) => boolean = ({ code }) => code === 'credentials_refused',
): Promise<T> {
  let refusal = new PermanentError('credentials_refused', `the channel has no ${name}, and without it gets no files`);
  for (const secret of secrets) {
    try {
      return await attempt(secret);
    } catch (error) {
      if (!(error instanceof PermanentError) || !isForAnother(error)) throw error;
      refusal = error;
    }
  }
  throw refusal;
}

/**
 * Gets a file with the newest secret that its server takes. Without any it is asked for as anybody
 * may, and the refusal says that credentials are wanted.
 *
 * @throws what `download` throws.
 */
export async function downloadWithSecrets(
  fetch: ProviderFetch,
  url: string | null,
  secrets: readonly string[],
  credentialsOf: (secret: string) => DownloadCredentials | Promise<DownloadCredentials>,
): Promise<FetchedFile> {
  if (secrets.length === 0) return await download(fetch, url);
  return await withSecrets(secrets, 'secret', async (secret) => download(fetch, url, await credentialsOf(secret)));
}
