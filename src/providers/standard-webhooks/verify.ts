import type { ProviderChannel, Verdict, WebhookRequest } from '../../provider.ts';
import { verifyStandardWebhook } from '../kit/verify/standard-webhooks.ts';

/** The signature over the raw bytes, with either set of header names. */
export function verifyChannel(
  request: WebhookRequest,
  channel: ProviderChannel<{ secret: string[] }, Record<string, unknown>>,
  context: { now: Date },
): Verdict {
  return verifyStandardWebhook(request, channel.secrets.secret, context.now);
}
