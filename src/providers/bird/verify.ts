import type { ProviderChannel, Verdict, WebhookRequest } from '../../provider.ts';
import { urlAsSigned } from '../kit/public-url.ts';
import { accepted, decodeBase64, equalBytes, hmac, refused, sha256Hex, soleHeader } from '../kit/signature.ts';

/**
 * Seconds. Bird repeats a delivery for hours under the time of the first attempt (eight, says its
 * documentation; receivers have seen a day), so five minutes would lose every message of an outage.
 * A replay is the same message, by its id.
 */
const maxAgeSeconds = 86_400;
const earlySeconds = 300;

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
  if (!/^[0-9]{1,12}$/.test(timestamp.value)) return refused('bad_timestamp');
  const age = context.now.getTime() / 1000 - Number(timestamp.value);
  if (age > maxAgeSeconds || age < -earlySeconds) return refused('stale_timestamp');

  const given = decodeBase64(signature.value);
  const head = `${timestamp.value}\n${urlAsSigned(request.url, channel.settings.publicUrl)}\n`;
  const bodyHash = Buffer.from(sha256Hex(request.body), 'hex');
  const matches = channel.secrets.signingKey.some(
    (key) => given !== undefined && equalBytes(given, hmac('sha256', key, head, bodyHash)),
  );
  return matches ? accepted : refused('bad_signature');
}
