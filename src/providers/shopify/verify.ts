import type { ProviderChannel, Verdict, WebhookRequest } from '../../provider.ts';
import { accepted, decodeBase64, equalBytes, hmac, refused, soleHeader } from '../kit/signature.ts';
import { headerName } from './headers.ts';

type Channel = ProviderChannel<{ clientSecret: string[] }, Record<string, unknown>>;

/**
 * The base64 HMAC-SHA256 of the raw body. No time and no other header is signed, so the dedupe key
 * is all there is against a replay.
 * Source: https://shopify.dev/docs/apps/build/webhooks/verify-deliveries
 */
export function verifyShopify(request: WebhookRequest, channel: Channel): Verdict {
  const name = headerName(request.headers, 'hmac-sha256');
  const signature = soleHeader(request.headers, name, 'missing_signature');
  if ('refusal' in signature) return signature.refusal;
  const given = decodeBase64(signature.value);
  if (given?.byteLength !== 32) return refused('bad_signature');
  const matches = channel.secrets.clientSecret.some((secret) =>
    equalBytes(given, hmac('sha256', secret, request.body)),
  );
  return matches ? accepted : refused('bad_signature');
}
