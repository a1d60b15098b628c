import type { ProviderChannel, Verdict, WebhookRequest } from '../../provider.ts';
import { accepted, decodeHex, equalBytes, refused, sha256 } from '../kit/signature.ts';
import { authorization } from '../kit/verify/credentials.ts';
import { verifySecretToken } from '../kit/verify/jwt.ts';
import { hasSmsSignature, verifySms, type SmsAlgorithm } from './sms-signature.ts';

/** Seconds since `iat`, either way. The token has no end of its own, and the SDK checks no time. */
const toleranceSeconds = 300;

export interface VonageSettings extends Record<string, unknown> {
  readonly applicationId?: string | undefined;
  readonly smsSignature?: SmsAlgorithm | undefined;
}

type Channel = ProviderChannel<{ signatureSecret: string[] }, VonageSettings>;

/**
 * The Messages API signs by a token, the SMS API by a parameter, each only if the account wants it:
 * the second is weaker, so it counts only where the channel's settings name its algorithm.
 */
export async function verifyVonage(
  request: WebhookRequest,
  channel: Channel,
  context: { now: Date },
): Promise<Verdict> {
  const { signatureSecret } = channel.secrets;
  const { smsSignature } = channel.settings;
  if (smsSignature !== undefined && !request.headers.has('authorization') && hasSmsSignature(request)) {
    return verifySms(request, signatureSecret, smsSignature, context.now);
  }
  return await verifyMessage(request, channel, context.now);
}

/**
 * `Authorization: Bearer <JWT>`, HS256 with the account's signature secret. The claim `payload_hash`
 * is the SHA-256 of the body.
 * Source: https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks
 */
async function verifyMessage(request: WebhookRequest, channel: Channel, now: Date): Promise<Verdict> {
  const given = authorization(request.headers, 'bearer');
  if ('refusal' in given) return given.refusal;
  const token = await verifySecretToken(given.credentials, channel.secrets.signatureSecret, {
    algorithms: ['HS256'],
    issuer: 'Vonage',
    required: ['payload_hash'],
    now,
    toleranceSeconds,
    maxAgeSeconds: 0,
  });
  if ('refusal' in token) return token.refusal;
  // All applications of an account sign with one secret.
  const { applicationId } = channel.settings;
  if (applicationId !== undefined && token.claims['application_id'] !== applicationId) return refused('bad_token');
  // The query of a GET would not be covered.
  if (request.method !== 'POST') return refused('bad_body');
  const hash = token.claims['payload_hash'];
  const claimed = typeof hash === 'string' ? decodeHex(hash, 32) : undefined;
  const matches = claimed && equalBytes(claimed, sha256(request.body));
  return matches ? accepted : refused('bad_body');
}
