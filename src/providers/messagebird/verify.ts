import type { ProviderChannel, Verdict, WebhookRequest } from '../../provider.ts';
import { accepted, decodeHex, equalBytes, refused, sha256, soleHeader } from '../kit/signature.ts';
import { verifySecretToken } from '../kit/verify/jwt.ts';
import { urlAsSigned } from '../kit/verify/public-url.ts';

/** Seconds beyond the minute that a token lives: the SDK's own. */
const toleranceSeconds = 5;

type Channel = ProviderChannel<{ signingKey: string[] }, { publicUrl?: string | undefined }>;

/**
 * `MessageBird-Signature-JWT`: a token that covers the URL and the body by their SHA-256. Without a
 * body the claim for it is absent, and with one it must be there.
 * Source: https://developers.messagebird.com/api/#verifying-http-requests and
 * messagebird/messagebird-nodejs, lib/webhook-signature-jwt.js.
 */
export async function verifyMessagebird(
  request: WebhookRequest,
  channel: Channel,
  context: { now: Date },
): Promise<Verdict> {
  const header = soleHeader(request.headers, 'messagebird-signature-jwt', 'missing_signature');
  if ('refusal' in header) return header.refusal;
  const token = await verifySecretToken(header.value, channel.secrets.signingKey, {
    algorithms: ['HS256', 'HS384', 'HS512'],
    issuer: 'MessageBird',
    required: ['exp', 'nbf', 'jti', 'url_hash'],
    now: context.now,
    toleranceSeconds,
  });
  if ('refusal' in token) return token.refusal;
  const { url_hash: urlHash, payload_hash: bodyHash } = token.claims;
  const url = urlAsSigned(request.url, channel.settings.publicUrl);
  if (!isHashOf(urlHash, Buffer.from(url))) return refused('bad_signature');
  const isCovered = bodyHash === undefined ? request.body.byteLength === 0 : isHashOf(bodyHash, request.body);
  return isCovered ? accepted : refused('bad_body');
}

function isHashOf(claim: unknown, bytes: Uint8Array): boolean {
  const hash = typeof claim === 'string' ? decodeHex(claim, 32) : undefined;
  return hash !== undefined && equalBytes(hash, sha256(bytes));
}
