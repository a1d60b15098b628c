import type { Verdict, WebhookRequest } from '../../../provider.ts';
import { accepted, decodeBase64, equalBytes, refused } from '../signature.ts';

/** Credentials that come with the request instead of a signature: nothing in the body is covered. */

/** Compares in constant time; how long a secret is, is no secret. */
export function equalText(given: string, secret: string): boolean {
  return equalBytes(Buffer.from(given), Buffer.from(secret));
}

/**
 * `Authorization: Basic …`, against secrets of the form `user:password`. The scheme's word may be in
 * any case, the user ends at the first colon, both are UTF-8. Source: RFC 7617.
 */
export function verifyBasic(request: WebhookRequest, secrets: readonly string[]): Verdict {
  const given = authorization(request.headers, 'basic');
  if ('refusal' in given) return given.refusal;
  const pair = decodeBase64(given.credentials);
  const matches = secrets.filter((secret) => pair && equalBytes(pair, Buffer.from(secret))).length > 0;
  return matches ? accepted : refused('bad_credentials');
}

/** `Authorization: Bearer …`, against tokens. The scheme's word may be in any case. Source: RFC 6750. */
export function verifyBearer(request: WebhookRequest, tokens: readonly string[]): Verdict {
  const given = authorization(request.headers, 'bearer');
  if ('refusal' in given) return given.refusal;
  return verifyToken(given.credentials, tokens);
}

/** A secret that came as it is, in a header of its own or a parameter. */
export function verifyToken(given: string, tokens: readonly string[]): Verdict {
  const matches = tokens.filter((token) => equalText(given, token)).length > 0;
  return matches ? accepted : refused('bad_credentials');
}

/** What stands behind the scheme's word in the one Authorization header. */
export function authorization(
  headers: Headers,
  scheme: 'basic' | 'bearer',
): { credentials: string } | { refusal: Verdict } {
  const value = headers.get('authorization')?.trim() ?? '';
  if (value === '') return { refusal: refused('missing_credentials') };
  if (value.includes(',')) return { refusal: refused('duplicate_header') };
  const match = /^([a-z]+) +(\S+)$/i.exec(value);
  if (match?.[1]?.toLowerCase() !== scheme) return { refusal: refused('bad_credentials') };
  return { credentials: match[2] ?? '' };
}
