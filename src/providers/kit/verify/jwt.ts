import { decodeProtectedHeader, errors, importJWK, jwtVerify, type JWK, type JWTPayload } from 'jose';
import type { RejectReason, Verdict } from '../../../provider.ts';
import { refused } from '../signature.ts';

/** Signed tokens (RFC 7519), for the providers that put one into a header instead of a signature. */

/** What a token must say, besides being signed. */
export interface TokenRules {
  /** The only algorithms that count. Never one of each family: a public key is no secret. */
  readonly algorithms: readonly string[];
  readonly issuer: string;
  readonly audience?: string;
  /** Claims that must be there; `exp`, `nbf` and `iat` are checked wherever they are. */
  readonly required: readonly string[];
  readonly now: Date;
  /** Seconds that the two clocks may differ. */
  readonly toleranceSeconds: number;
  /** Seconds that may have passed since `iat`; without it `iat` is not looked at. */
  readonly maxAgeSeconds?: number;
}

export type TokenOutcome = { readonly claims: JWTPayload } | { readonly refusal: Verdict };

/** Real ones have under 2,000 characters. */
const maxTokenLength = 16_384;

/**
 * Whether a text is three segments of base64url in their one canonical form. Decoders drop what they
 * do not know and the last bits of a segment, so many texts would otherwise be the same token.
 */
export function isCanonicalToken(token: string): boolean {
  if (token.length > maxTokenLength) return false;
  const segments = token.split('.', 4);
  return segments.length === 3 && segments.every(isCanonical);
}

function isCanonical(segment: string): boolean {
  return segment !== '' && Buffer.from(segment, 'base64url').toString('base64url') === segment;
}

/** The id of the key that a token says it is signed with. Nothing of it is verified yet. */
export function keyIdOf(token: string): string | undefined {
  if (!isCanonicalToken(token)) return undefined;
  try {
    const { kid } = decodeProtectedHeader(token);
    return typeof kid === 'string' && kid !== '' ? kid : undefined;
  } catch {
    return undefined;
  }
}

/** Checks a token against a public key. */
export async function verifyKeyToken(token: string, key: JWK, rules: TokenRules): Promise<TokenOutcome> {
  return await verifyToken(token, rules, async (algorithm) => await importJWK(key, algorithm));
}

/** Checks a token against shared secrets, of which several may be live; their text is the key. */
export async function verifySecretToken(
  token: string,
  secrets: readonly string[],
  rules: TokenRules,
): Promise<TokenOutcome> {
  for (const secret of secrets) {
    const outcome = await verifyToken(token, rules, () => Promise.resolve(Buffer.from(secret)));
    if ('claims' in outcome || outcome.refusal.ok || outcome.refusal.reason !== 'bad_signature') return outcome;
  }
  return { refusal: refused('bad_signature') };
}

type KeySource = (algorithm: string) => Promise<Awaited<ReturnType<typeof importJWK>>>;

async function verifyToken(token: string, rules: TokenRules, keyFor: KeySource): Promise<TokenOutcome> {
  if (!isCanonicalToken(token)) return { refusal: refused('bad_token') };
  try {
    const { payload } = await jwtVerify(token, async ({ alg }) => await keyFor(alg), {
      algorithms: [...rules.algorithms],
      issuer: rules.issuer,
      requiredClaims: [...rules.required],
      currentDate: rules.now,
      clockTolerance: rules.toleranceSeconds,
      ...(rules.audience === undefined ? {} : { audience: rules.audience }),
      ...(rules.maxAgeSeconds === undefined ? {} : { maxTokenAge: rules.maxAgeSeconds }),
    });
    return { claims: payload };
  } catch (error) {
    return { refusal: refused(reasonOf(error)) };
  }
}

const times = new Set(['exp', 'nbf', 'iat']);

function reasonOf(error: unknown): RejectReason {
  if (error instanceof errors.JWTExpired) return 'stale_timestamp';
  if (error instanceof errors.JWTClaimValidationFailed) {
    return times.has(error.claim) && error.reason === 'check_failed' ? 'stale_timestamp' : 'bad_token';
  }
  return error instanceof errors.JWSSignatureVerificationFailed ? 'bad_signature' : 'bad_token';
}
