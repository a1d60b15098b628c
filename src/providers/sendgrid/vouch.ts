import { signingDomains } from '../kit/mail/dkim.ts';
import type { MailHeaders } from '../kit/mail/headers.ts';
import { covers, soleFromDomain } from '../kit/mail/vouch.ts';

/**
 * Whether a DKIM signature that SendGrid found good is of the From address's domain. SendGrid's field
 * `dkim` is `{@example.com : pass}`, with several signatures `{@a.example : pass, @b.example : fail}`,
 * without one `none`. SPF decides nothing: it speaks for a server, and many senders share one.
 */
export function isVouchedBySendgrid(mail: MailHeaders, dkim: string | undefined): boolean {
  const domain = soleFromDomain(mail);
  const signed = signingDomains(mail);
  if (domain === undefined || !signed) return false;
  return passedDomains(dkim ?? '').some(
    (passed) => covers(passed, domain) && signed.some((one) => passed === one || passed.endsWith(`.${one}`)),
  );
}

/** The domains with a good signature; none where the field is of any other form. */
function passedDomains(dkim: string): string[] {
  const inner = /^\{([^{}]{1,4096})\}$/.exec(dkim.trim())?.[1];
  const results = (inner ?? '').split(',').map((result) => /^[^\s@:]*@([a-z0-9.-]+) : ([a-z]+)$/i.exec(result.trim()));
  if (!results.every((result) => result !== null)) return [];
  return results.filter(([, , word]) => word?.toLowerCase() === 'pass').map(([, name]) => name?.toLowerCase() ?? '');
}
