import { PermanentError, RetryableError } from '../../../lib/errors.ts';
import type { FetchedFile, ProviderFetch } from '../../../provider.ts';

/** What a provider's file server wants to see, and who may see it. */
export interface DownloadCredentials {
  /** Sent with the request, such as `authorization`. */
  readonly headers: Readonly<Record<string, string>>;
  /**
   * The provider's own hosts: `slack.com` stands for itself and its subdomains. Anybody else, whom
   * a file's URL or a redirect may name, is asked without the headers.
   */
  readonly hosts: readonly string[];
}

const maxRedirects = 5;

/**
 * Gets a file that a provider serves, by way of its redirects.
 *
 * @throws PermanentError where it has no URL, is gone or the credentials are refused, RetryableError where a
 * later try may succeed, OutboundError where there is no answer.
 */
export async function download(
  fetch: ProviderFetch,
  url: string | null,
  credentials?: DownloadCredentials,
): Promise<FetchedFile> {
  if (!url) throw new PermanentError('attachment_gone', 'the provider gave no URL of it');
  let current = url;
  for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
    const trusted = credentials !== undefined && isHostOf(current, credentials.hosts);
    const answer = await fetch(current, trusted ? { headers: credentials.headers } : {});
    const location = answer.headers.get('location');
    if (answer.status >= 300 && answer.status < 400 && location !== null) {
      current = URL.parse(location, current)?.href ?? '';
      if (current === '') throw new PermanentError('bad_redirect', 'the file server sends on to no URL');
      continue;
    }
    if (answer.status === 200) return { body: answer.body, contentType: answer.headers.get('content-type') };
    throw failure(answer.status, trusted);
  }
  throw new PermanentError('too_many_redirects', `the file server sends on more than ${maxRedirects} times`);
}

/** Whether a URL is https and its host one of these, or a subdomain of one. */
export function isHostOf(url: string, hosts: readonly string[]): boolean {
  const parsed = URL.parse(url);
  if (parsed?.protocol !== 'https:' || parsed.username || parsed.password) return false;
  return hosts.some((host) => parsed.hostname === host || parsed.hostname.endsWith(`.${host}`));
}

/** What a status other than 200 means for who asks for the file again. */
export function failure(status: number, withCredentials: boolean): Error {
  if (status === 401 || status === 403) {
    const hint = withCredentials ? 'refuses the channel’s credentials' : 'wants credentials that the channel has not';
    return new PermanentError('credentials_refused', `the file server ${hint} (${status})`);
  }
  if (status === 404 || status === 410) return new PermanentError('attachment_gone', 'the file server has it no more');
  return new RetryableError('attachment_unavailable', `the file server answers ${status}`);
}
