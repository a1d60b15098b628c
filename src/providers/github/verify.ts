import type { ProviderChannel, Verdict, WebhookRequest } from '../../provider.ts';
import { accepted, decodeHex, equalBytes, hmac, refused, soleHeader } from '../signature.ts';

type Channel = ProviderChannel<{ secret: string[] }, Record<string, unknown>>;

/**
 * `sha256=` and the hex HMAC-SHA256 of the raw body, of a form as well. No time and no header is
 * signed. The SHA-1 header that GitHub sends beside it is not read.
 */
export function verifyGithub(request: WebhookRequest, channel: Channel): Verdict {
  const signature = soleHeader(request.headers, 'x-hub-signature-256', 'missing_signature');
  if ('refusal' in signature) return signature.refusal;
  // GitHub writes lower-case hex; anything else did not come from GitHub.
  if (!/^sha256=[0-9a-f]{64}$/.test(signature.value)) return refused('bad_signature');
  const given = decodeHex(signature.value.slice(7), 32);
  const matches = channel.secrets.secret.some(
    (secret) => given && equalBytes(given, hmac('sha256', secret, request.body)),
  );
  return matches ? accepted : refused('bad_signature');
}
