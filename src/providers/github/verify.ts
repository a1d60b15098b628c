import type { ProviderChannel, Verdict, WebhookRequest } from '../../provider.ts';
import { verifyHubSignature } from '../kit/verify/hub-signature.ts';

type Channel = ProviderChannel<{ secret: string[] }, Record<string, unknown>>;

/**
 * `sha256=` and the hex HMAC-SHA256 of the raw body, of a form as well. No time and no header is
 * signed. The SHA-1 header that GitHub sends beside it is not read.
 */
export function verifyGithub(request: WebhookRequest, channel: Channel): Verdict {
  return verifyHubSignature(request, channel.secrets.secret);
}
