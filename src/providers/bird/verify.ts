import type { ProviderChannel, Verdict, WebhookRequest } from '../../provider.ts';
import { accepted, decodeBase64, equalBytes, hmac, refused, sha256, soleHeader } from '../kit/signature.ts';
import { urlAsSigned } from '../kit/verify/public-url.ts';
import { checkTimestamp } from '../kit/verify/timestamp.ts';

/**
 * Seconds. Bird repeats a delivery for hours under the time of the first attempt (eight, says its
 * documentation; receivers have seen a day), so five minutes would lose every message of an outage.
 * A replay is the same message, by its id.
 */
const tolerance = { early: 300, late: 86_400 };

type Channel = ProviderChannel<{ signingKey: string[] }, { publicUrl?: string | undefined }>;

/**
 * `MessageBird-Signature`: base64 of the HMAC-SHA256 over the time, the URL and the SHA-256 of the
 * body as its 32 bytes, with a line feed between them.
 * Source: https://docs.bird.com/api/notifications-api/api-reference/webhooks/verifying-a-webhook
 */
export function verifyBird(request: WebhookRequest, channel: Channel, context: { now: Date }): Verdict {
  const signature = soleHeader(request.headers, 'messagebird-signature', 'missing_signature');
  if ('refusal' in signature) return signature.refusal;
  const timestamp = soleHeader(request.headers, 'messagebird-request-timestamp', 'missing_timestamp');
  if ('refusal' in timestamp) return timestamp.refusal;
  const fresh = checkTimestamp(timestamp.value, context.now, tolerance);
  if (!fresh.ok) return fresh;

  const given = decodeBase64(signature.value);
  const head = `${timestamp.value}\n${urlAsSigned(request.url, channel.settings.publicUrl)}\n`;
  const bodyHash = sha256(request.body);
  const matches = channel.secrets.signingKey.some(
    (key) => given !== undefined && equalBytes(given, hmac('sha256', key, head, bodyHash)),
  );
  return matches ? accepted : refused('bad_signature');
}
