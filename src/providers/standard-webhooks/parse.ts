import type { Parsed, ProviderChannel, WebhookRequest } from '../../provider.ts';
import { readExactJson } from '../kit/body/exact-json.ts';
import { buildJsonMessage } from '../kit/json-message/message.ts';
import type { JsonMessageSettings } from '../kit/json-message/settings.ts';
import { sha256Hex } from '../kit/signature.ts';
import { webhookId } from '../kit/verify/standard-webhooks.ts';

/** One message per webhook, recognised by its `webhook-id`, which is signed and kept over retries. */
export function parseStandardWebhook(
  request: WebhookRequest,
  channel: ProviderChannel<Record<string, string[]>, JsonMessageSettings>,
): Parsed {
  const payload = readExactJson(request.body);
  // Verified requests have an id; the hash is for those that are read without being verified.
  const id = webhookId(request.headers) || sha256Hex(request.body);
  return buildJsonMessage(payload, channel.settings, {
    deliveryId: id,
    key: id,
    bodyBytes: request.body.byteLength,
    metadata: { webhookId: id },
  });
}
