import type { Parsed, ProviderChannel, WebhookRequest } from '../../provider.ts';
import { boundOrNull, textOrNull } from '../kit/fields.ts';
import { readDocument, readOwnDocument } from '../kit/json-message/own-body.ts';
import { sha256Hex } from '../kit/signature.ts';
import { eventTypePrefix, readEvent } from './event.ts';
import { zendeskEvent } from './schema.ts';
import type { ZendeskSettings } from './settings.ts';

/** Zendesk's own events, or what a trigger or automation posts, whose JSON its author designed. */
export function parseZendesk(
  request: WebhookRequest,
  channel: ProviderChannel<Record<string, string[]>, ZendeskSettings>,
): Parsed {
  const payload = readDocument(request);
  const { settings } = channel;
  const invocation = textOrNull(request.headers.get('x-zendesk-webhook-invocation-id'));
  const event = zendeskEvent.safeParse(payload).data;
  if (!event?.type?.startsWith(eventTypePrefix)) return readTrigger(request, payload, settings, invocation);

  const deliveryId = boundOrNull(invocation ?? textOrNull(event.id));
  const outcome = readEvent(event, event.id || hashOf(request.body), payload, request.body.byteLength, settings);
  return 'reason' in outcome
    ? { deliveryId, messages: [], ignored: [outcome] }
    : { deliveryId, messages: [outcome], ignored: [] };
}

/**
 * The invocation's id is not signed, and a trigger may post the same body each time it fires. What
 * is signed of a firing besides its body is its time, so both make it the same when it comes again.
 */
function readTrigger(
  request: WebhookRequest,
  payload: Parameters<typeof readOwnDocument>[0],
  settings: ZendeskSettings,
  invocation: string | null,
): Parsed {
  const timestamp = request.headers.get('x-zendesk-webhook-signature-timestamp') ?? '';
  return readOwnDocument(payload, settings, {
    deliveryId: invocation,
    key: hashOf(`${timestamp}\n`, request.body),
    bodyBytes: request.body.byteLength,
  });
}

function hashOf(...parts: readonly (string | Uint8Array)[]): string {
  return `sha256:${sha256Hex(...parts)}`;
}
