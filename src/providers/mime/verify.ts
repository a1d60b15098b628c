import type { ProviderChannel, Verdict, WebhookRequest } from '../../provider.ts';
import { verifyStandardWebhook } from '../kit/verify/standard-webhooks.ts';

/** Standard Webhooks over the raw message. Nothing outside the body and the id is ever trusted. */
export function verifyMail(
  request: WebhookRequest,
  channel: ProviderChannel<{ secret: string[] }, Record<string, unknown>>,
  context: { now: Date },
): Verdict {
  return verifyStandardWebhook(request, channel.secrets.secret, context.now);
}
