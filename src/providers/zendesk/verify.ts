import type { ProviderChannel, Verdict, WebhookRequest } from '../../provider.ts';
import { accepted, decodeBase64, equalBytes, hmac, refused, soleHeader } from '../kit/signature.ts';
import { checkTimestampIn } from '../kit/verify/timestamp.ts';

/** Seconds. Zendesk names no tolerance; five minutes either way is what others do. */
const toleranceSeconds = 300;

/** Zendesk signs the test requests of a webhook that is not saved yet with this, for everybody. */
export const publicTestSecret = 'dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==';

type Channel = ProviderChannel<{ signingSecret: string[] }, Record<string, unknown>>;

/**
 * The base64 HMAC-SHA256 of the timestamp's text and the raw body, with nothing between them. The
 * key is the secret's own text: it looks like base64 and is not decoded.
 * Source: https://developer.zendesk.com/documentation/webhooks/verifying/
 */
export function verifyZendesk(request: WebhookRequest, channel: Channel, context: { now: Date }): Verdict {
  const signature = soleHeader(request.headers, 'x-zendesk-webhook-signature', 'missing_signature');
  if ('refusal' in signature) return signature.refusal;
  const timestamp = soleHeader(request.headers, 'x-zendesk-webhook-signature-timestamp', 'missing_timestamp');
  if ('refusal' in timestamp) return timestamp.refusal;
  const fresh = checkTimestampIn('iso', timestamp.value, context.now, toleranceSeconds);
  if (!fresh.ok) return fresh;

  const given = decodeBase64(signature.value);
  const matches = channel.secrets.signingSecret.some(
    (secret) => given && equalBytes(given, hmac('sha256', secret, timestamp.value, request.body)),
  );
  return matches ? accepted : refused('bad_signature');
}
