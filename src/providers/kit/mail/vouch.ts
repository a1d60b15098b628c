import { parseAuthenticationResults, type MethodResult } from './authentication-results.ts';
import { headerValues, mailboxes, type MailHeaders } from './headers.ts';

/**
 * Whether a mail server that we trust vouches for the From address: DMARC passed for its domain,
 * or a DKIM signature of its domain did.
 *
 * Only the topmost Authentication-Results header under a trusted name counts: a server writes its
 * own on top, so one further down may have come with the message. A message with several From
 * addresses has no one sender to vouch for.
 */
export function isVouched(mail: MailHeaders, trustedAuthservIds: readonly string[]): boolean {
  const domain = soleFromDomain(mail);
  if (domain === undefined) return false;
  const trusted = new Set(trustedAuthservIds.map((id) => id.toLowerCase()));
  for (const value of headerValues(mail, 'authentication-results')) {
    const parsed = parseAuthenticationResults(value);
    if (parsed && trusted.has(parsed.authservId)) return provesDomain(parsed.results, domain);
  }
  return false;
}

/** The domain of the one From address; undefined where there are several, or none. */
export function soleFromDomain(mail: MailHeaders): string | undefined {
  if (headerValues(mail, 'from').length !== 1) return undefined;
  const senders = mailboxes(mail, 'from');
  const match = /^[^\s@"<>()[\]\\,;:]+@([^\s@"<>()[\]\\,;:]+)$/.exec(senders[0]?.address ?? '');
  return senders.length === 1 ? match?.[1] : undefined;
}

function provesDomain(results: readonly MethodResult[], domain: string): boolean {
  const dmarc = results.filter((result) => result.method === 'dmarc');
  if (dmarc.some((result) => result.result === 'fail')) return false;
  if (dmarc.some((result) => result.result === 'pass' && covers(result.properties.get('header.from'), domain))) {
    return true;
  }
  return results.some(
    (result) =>
      result.method === 'dkim' &&
      result.result === 'pass' &&
      covers(result.properties.get('header.d') ?? result.properties.get('header.i'), domain),
  );
}

/**
 * Whether a proven domain (`example.com`, or `@example.com` as in a DKIM signature's i=) speaks for the From domain: it is the same or a parent. Not a child, as
 * DMARC also allows: telling example.com from a suffix under which strangers have subdomains
 * (co.uk, github.io) takes the public suffix list. The mail server has one, and then says
 * `dmarc=pass`.
 */
export function covers(proven: string | undefined, domain: string): boolean {
  const signer = proven
    ?.slice(proven.lastIndexOf('@') + 1)
    .toLowerCase()
    .replace(/\.$/, '');
  if (!signer?.includes('.')) return false;
  return domain === signer || domain.endsWith(`.${signer}`);
}
