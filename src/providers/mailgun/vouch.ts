import { signingDomains } from '../kit/mail/dkim.ts';
import { headerValues, type MailHeaders } from '../kit/mail/headers.ts';
import { covers, soleFromDomain } from '../kit/mail/vouch.ts';

const resultHeader = 'x-mailgun-dkim-check-result';

/**
 * Whether Mailgun found a DKIM signature of the From address's domain good. It says so only where its
 * spam filter marks mail, in a header without the domain: so every signature must be of the domain.
 *
 * A sender can write such a header too, and then stands below what Mailgun puts on top: its own
 * Received, and X-Mailgun-Incoming. Of the result only one above both of them counts.
 * Source: https://documentation.mailgun.com/docs/mailgun/user-manual/receive-forward-store/spam-filter
 */
export function isVouchedByMailgun(mail: MailHeaders): boolean {
  const domain = soleFromDomain(mail);
  const signed = signingDomains(mail);
  if (domain === undefined || !signed?.every((one) => covers(one, domain))) return false;
  const place = (name: string): number => mail.headers.findIndex((header) => header.key === name);
  const result = place(resultHeader);
  const isMailguns = result !== -1 && result < place('received') && result < place('x-mailgun-incoming');
  return isMailguns && headerValues(mail, resultHeader)[0]?.toLowerCase() === 'pass';
}
