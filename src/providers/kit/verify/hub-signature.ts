import type { Verdict, WebhookRequest } from '../../../provider.ts';
import { accepted, decodeHex, equalBytes, hmac, refused, soleHeader } from '../signature.ts';

/**
 * `X-Hub-Signature-256: sha256=<hex>`, the HMAC-SHA256 of the raw body: GitHub's and Meta's scheme.
 * It signs no time. Both write lower-case hex; anything else did not come from them.
 */
export function verifyHubSignature(request: WebhookRequest, secrets: readonly string[]): Verdict {
  const signature = soleHeader(request.headers, 'x-hub-signature-256', 'missing_signature');
  if ('refusal' in signature) return signature.refusal;
  if (!/^sha256=[0-9a-f]{64}$/.test(signature.value)) return refused('bad_signature');
  const given = decodeHex(signature.value.slice(7), 32);
  const matches = secrets.some((secret) => given && equalBytes(given, hmac('sha256', secret, request.body)));
  return matches ? accepted : refused('bad_signature');
}
