import { normalizeIdentity } from '../../lib/identity.ts';
import type { ParsedMessage } from '../../provider.ts';
import { boundId, present, textOrNull, tryJson } from '../kit/fields.ts';
import { interactionKey } from './command.ts';
import { describeInput, filesOfInputs, readInputs, textOfInputs } from './inputs.ts';
import { slackInteraction, slackResponseUrl, type SlackInteraction } from './interaction-schema.ts';
import { readTimestamp, unescapeEntities } from './text.ts';

/** What becomes a message; a menu that asks for its options is answered and says nothing. */
const types = new Set(['block_actions', 'view_submission', 'view_closed', 'shortcut', 'message_action']);

/** The type in a form's `payload`; undefined where it is none that Slack would send. */
export function interactionType(form: URLSearchParams): string | undefined {
  try {
    return slackInteraction.safeParse(readPayload(form)).data?.type;
  } catch {
    return undefined;
  }
}

/** The message that an interaction is, or the reason why it is none. */
export function readInteraction(form: URLSearchParams, body: Uint8Array): ParsedMessage | string {
  const interaction = slackInteraction.safeParse(readPayload(form)).data;
  const { type = '', user } = interaction ?? {};
  if (type === 'block_suggestion') return 'block_suggestion';
  if (!interaction || !types.has(type)) return 'unknown_type';
  const recipient = workspaceOf(interaction);
  // The person's own workspace, which in a shared channel may be another one than ours. Never that
  // of the installation: with it, a stranger could pass for one of ours.
  const team = user?.team_id || interaction.team?.id || interaction.enterprise?.id;
  if (!user?.id) return 'no_sender';
  if (!team) return 'unknown_type';
  const inputs = readInputs(interaction);
  return {
    channel: 'slack',
    externalIdentity: boundId(normalizeIdentity('slack', `${team}:${user.id}`)),
    displayName: textOrNull(user.name) ?? textOrNull(user.username),
    recipient: recipient === null ? null : boundId(recipient),
    text: textOf(interaction, textOfInputs(inputs)),
    channelMessageId: null,
    channelThreadId: threadOf(interaction),
    attachments: filesOfInputs(inputs),
    channelMetadata: {
      ...describe(interaction, team),
      ...(inputs.length > 0 && { inputs: inputs.map(describeInput) }),
    },
    sentAt: readTimestamp(interaction.action_ts ?? inputs[0]?.input.action_ts ?? ''),
    vouched: true,
    dedupeKey: interactionKey(type, interaction.trigger_id, body),
  };
}

function readPayload(form: URLSearchParams): unknown {
  const payload = tryJson(form.get('payload') ?? '');
  if (payload === undefined) throw new Error('the body is a form whose payload is not JSON');
  return payload;
}

/**
 * The workspace that the app was asked in. A modal that was opened from a shared channel names the
 * one that the app is installed in; an installation for a whole organisation has no team.
 */
function workspaceOf({ view, team, user, enterprise }: SlackInteraction): string | null {
  return (
    textOrNull(view?.app_installed_team_id) ??
    textOrNull(team?.id) ??
    textOrNull(user?.team_id) ??
    textOrNull(enterprise?.id)
  );
}

/** A shortcut says its own name; who closes a modal says nothing. */
function textOf({ type, callback_id: callback }: SlackInteraction, said: string | null): string | null {
  if (type === 'view_closed') return null;
  return type === 'shortcut' || type === 'message_action' ? textOrNull(callback) : said;
}

/** The thread of the message that has the button, or that the shortcut was used on. */
function threadOf({ message, container, message_ts: ts }: SlackInteraction): string | null {
  const thread = message?.thread_ts || container?.thread_ts || message?.ts || container?.message_ts || ts;
  return thread ? boundId(thread) : null;
}

function describe(interaction: SlackInteraction, team: string): Record<string, string | boolean> {
  const { view, message, enterprise } = interaction;
  const [first] = (interaction.response_urls ?? []).map((entry) => slackResponseUrl.safeParse(entry).data);
  return present<string | boolean>({
    eventType: interaction.type,
    callbackId: interaction.callback_id ?? view?.callback_id,
    teamId: interaction.team?.id,
    enterpriseId: enterprise?.id ?? interaction.team?.enterprise_id,
    isEnterpriseInstall: interaction.is_enterprise_install === true ? true : undefined,
    appId: interaction.api_app_id,
    userTeam: team,
    channel: interaction.channel?.id,
    messageTs: message?.ts ?? interaction.message_ts ?? interaction.container?.message_ts,
    messageUser: message?.user,
    messageText: message?.text === undefined ? undefined : unescapeEntities(message.text),
    threadTs: message?.thread_ts ?? interaction.container?.thread_ts,
    viewId: view?.id,
    viewExternalId: textOrNull(view?.external_id) ?? undefined,
    privateMetadata: textOrNull(view?.private_metadata) ?? undefined,
    isCleared: interaction.is_cleared,
    responseUrl: interaction.response_url ?? first?.response_url,
    triggerId: interaction.trigger_id,
  });
}
