import type { ProviderChannel, Reply, WebhookRequest } from '../../provider.ts';
import { tryJson } from '../kit/fields.ts';
import { discordEvent, discordInteraction } from './schema.ts';

/** Webhook events are answered without a body, and even then Discord wants a content type. */
const noContent: Reply = { status: 204, headers: { 'content-type': 'application/json' } };

/** Types of an interaction. */
export const ping = 1;
export const applicationCommand = 2;
export const messageComponent = 3;
export const autocomplete = 4;
export const modalSubmit = 5;

/** Of a response: its author alone sees it. What fills it in later is seen by the same. */
const ephemeralFlag = 64;

/**
 * The two pings that Discord sends when a URL is entered, and now and then later: an interaction of
 * type 1, which wants type 1 back, and a webhook event of type 0, which wants nothing.
 */
export function shakeDiscordHand(
  request: WebhookRequest,
  _channel: unknown,
  context: { verified: boolean },
): Reply | undefined {
  if (!context.verified) return undefined;
  const body = tryJson(request.body);
  // A webhook event has type 1 as well.
  if (discordEvent.safeParse(body).success) return undefined;
  const type = discordInteraction.safeParse(body).data?.type;
  if (type === 0) return noContent;
  return type === ping ? respond({ type: 1 }) : undefined;
}

/**
 * Discord waits three seconds for a response and shows "did not respond" without one. So commands
 * are answered with "is thinking", until a handler fills that in; what belongs to a message needs
 * nothing to be seen; and an option that completes itself gets no suggestions.
 */
export function acknowledgeDiscord(
  request: WebhookRequest,
  { settings }: ProviderChannel<object, { readonly ephemeral: boolean }>,
): Reply {
  const body = tryJson(request.body);
  const interaction = discordInteraction.safeParse(body).data;
  if (!interaction || discordEvent.safeParse(body).success) return noContent;
  const isThinking = { type: 5, ...(settings.ephemeral ? { data: { flags: ephemeralFlag } } : {}) };
  switch (interaction.type) {
    case applicationCommand:
      return respond(isThinking);
    case messageComponent:
      return respond({ type: 6 });
    case autocomplete:
      return respond({ type: 8, data: { choices: [] } });
    case modalSubmit:
      // Type 6 is for what hangs on a message; a modal that a command opened does not.
      return respond(interaction.message ? { type: 6 } : isThinking);
    default:
      return noContent;
  }
}

function respond(response: object): Reply {
  return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(response) };
}
