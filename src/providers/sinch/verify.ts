import type { ProviderChannel, Verdict, WebhookRequest } from '../../provider.ts';
import { accepted, decodeBase64, equalBytes, hmac, refused, soleHeader } from '../kit/signature.ts';
import { checkTimestamp } from '../kit/verify/timestamp.ts';

type Channel = ProviderChannel<{ webhookSecret: string[] }, { toleranceSeconds: number }>;

/**
 * `x-sinch-webhook-signature`, the base64 HMAC-SHA256 of `body.nonce.timestamp`. Sinch's SDK looks
 * at no clock. The body comes first, so what is signed ends in plain digits and a nonce without
 * dots: none of the body can be passed off as either.
 */
export function verifySinch(request: WebhookRequest, channel: Channel, context: { now: Date }): Verdict {
  const prefix = 'x-sinch-webhook-signature';
  const signature = soleHeader(request.headers, prefix, 'missing_signature');
  if ('refusal' in signature) return signature.refusal;
  const nonce = soleHeader(request.headers, `${prefix}-nonce`, 'missing_id');
  if ('refusal' in nonce) return nonce.refusal;
  const timestamp = soleHeader(request.headers, `${prefix}-timestamp`, 'missing_timestamp');
  if ('refusal' in timestamp) return timestamp.refusal;
  const fresh = checkTimestamp(timestamp.value, context.now, channel.settings.toleranceSeconds);
  if (!fresh.ok) return fresh;
  // ULIDs, UUIDs and base64 alike.
  if (!/^[\w+/=-]{1,128}$/.test(nonce.value)) return refused('bad_signature');

  const given = decodeBase64(signature.value);
  if (given?.byteLength !== 32) return refused('bad_signature');
  const tail = `.${nonce.value}.${timestamp.value}`;
  const matches = channel.secrets.webhookSecret.some((secret) =>
    equalBytes(given, hmac('sha256', secret, request.body, tail)),
  );
  return matches ? accepted : refused('bad_signature');
}
