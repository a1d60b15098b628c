import { headerValues, type MailHeaders } from './headers.ts';

/**
 * The domains (d=) that a mail's DKIM signatures say they are of, lower-cased. It is a claim: whether
 * one holds, the service that received the mail says.
 *
 * Undefined where there is no signature, or one names no plain domain. Services report their results
 * as text with these names in it, so a name such as `x : pass, @example.com` would forge a result.
 * Source: RFC 6376, section 3.5.
 */
export function signingDomains(mail: MailHeaders): string[] | undefined {
  const domains = headerValues(mail, 'dkim-signature').map(signingDomain);
  const plain = domains.filter((domain) => domain !== undefined);
  return plain.length > 0 && plain.length === domains.length ? plain : undefined;
}

const domainPattern = '[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?';
const plainDomain = new RegExp(`^${domainPattern}$`);
const plainIdentity = new RegExp(`^[a-z0-9._+-]{0,64}@${domainPattern}$`);

function signingDomain(signature: string): string | undefined {
  const tags = new Map<string, string>();
  for (const tag of signature.slice(0, 16 * 1024).split(';')) {
    const [name = '', ...value] = tag.split('=');
    if (tags.has(name.trim())) return undefined;
    tags.set(name.trim(), value.join('=').replace(/\s+/g, '').toLowerCase());
  }
  const domain = tags.get('d') ?? '';
  const identity = tags.get('i');
  if (identity !== undefined && !plainIdentity.test(identity)) return undefined;
  return plainDomain.test(domain) ? domain : undefined;
}
