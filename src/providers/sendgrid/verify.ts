import { createPublicKey, createVerify, type KeyObject } from 'node:crypto';
import type { ProviderChannel, Verdict, WebhookRequest } from '../../provider.ts';
import { accepted, decodeBase64, refused, soleHeader } from '../kit/signature.ts';
import { verifyBasic } from '../kit/verify/credentials.ts';
import { checkTimestamp } from '../kit/verify/timestamp.ts';

type Secrets = { publicKey: string[]; credentials: string[] };

/**
 * In seconds. How old a request may be: SendGrid tries for three days and does not say whether a retry is signed
 * anew. A refusal loses the mail for good, and a replay of signed bytes is known by its dedupe key.
 */
const tolerance = { early: 300, late: 73 * 3600 };

/**
 * The signature where the channel has a public key; else the credentials in the URL, because signing
 * is optional at SendGrid.
 */
export function verifySendgrid(
  request: WebhookRequest,
  channel: ProviderChannel<Secrets, Record<string, unknown>>,
  context: { now: Date },
): Verdict {
  const { publicKey, credentials } = channel.secrets;
  if (publicKey.length > 0) return verifySigned(request, publicKey, context.now);
  if (credentials.length > 0) return verifyBasic(request, credentials);
  return refused('no_secret');
}

/**
 * ECDSA (P-256, SHA-256) over the timestamp and the raw body, in base64 of DER. SendGrid's own SDK
 * reads the body as UTF-8 first, which fails for attachments. Source:
 * https://www.twilio.com/docs/sendgrid/for-developers/parsing-email/securing-your-parse-webhooks
 */
function verifySigned(request: WebhookRequest, publicKeys: readonly string[], now: Date): Verdict {
  const signature = soleHeader(request.headers, 'x-twilio-email-event-webhook-signature', 'missing_signature');
  if ('refusal' in signature) return signature.refusal;
  const timestamp = soleHeader(request.headers, 'x-twilio-email-event-webhook-timestamp', 'missing_timestamp');
  if ('refusal' in timestamp) return timestamp.refusal;
  const fresh = checkTimestamp(timestamp.value, now, tolerance);
  if (!fresh.ok) return fresh;
  const bytes = decodeBase64(signature.value);
  // Two numbers of at most 33 bytes with their heads.
  if (!bytes || bytes.byteLength > 72) return refused('bad_signature');
  const matches = publicKeys.some((text) => {
    const key = sendgridKey(text);
    return key !== undefined && isSigned(key, bytes, timestamp.value, request.body);
  });
  return matches ? accepted : refused('bad_signature');
}

function isSigned(key: KeyObject, signature: Uint8Array, timestamp: string, body: Uint8Array): boolean {
  try {
    return createVerify('sha256').update(timestamp).update(body).verify(key, signature);
  } catch {
    return false; // Some runtimes throw on bytes that are no DER.
  }
}

/** Everything before the point of a P-256 key's DER (SPKI, uncompressed), which is always the same. */
const spkiHead = '3059301306072a8648ce3d020106082a8648ce3d03010703420004';

/** SendGrid's public key, with or without the lines of a PEM; undefined where it is no P-256 key. */
export function sendgridKey(text: string): KeyObject | undefined {
  const der = decodeBase64(text.replace(/-----[A-Z ]+-----|\s/g, ''));
  if (der?.byteLength !== 91 || !Buffer.from(der).toString('hex').startsWith(spkiHead)) return undefined;
  const coordinate = (start: number): string => Buffer.from(der.subarray(start, start + 32)).toString('base64url');
  const [x, y] = [coordinate(27), coordinate(59)];
  try {
    return createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' });
  } catch {
    return undefined; // The point is not on the curve.
  }
}
