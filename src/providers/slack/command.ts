import { normalizeIdentity } from '../../lib/identity.ts';
import type { ParsedMessage } from '../../provider.ts';
import { boundId, present, textOrNull } from '../kit/fields.ts';
import { sha256Hex } from '../kit/signature.ts';
import { slackCommand } from './interaction-schema.ts';
import { unescapeEntities } from './text.ts';

/** The message that a slash command is, or the reason why it is none. */
export function readCommand(form: URLSearchParams, body: Uint8Array): ParsedMessage | string {
  const command = slackCommand.parse(Object.fromEntries(form));
  const { user_id: user, team_id: team, enterprise_id: enterprise } = command;
  const recipient = textOrNull(team) ?? textOrNull(enterprise);
  if (!user) return 'no_sender';
  if (!command.command || recipient === null) return 'unknown_type';
  const argument = unescapeEntities(command.text ?? '');
  return {
    channel: 'slack',
    externalIdentity: boundId(normalizeIdentity('slack', `${recipient}:${user}`)),
    displayName: textOrNull(command.user_name),
    recipient: boundId(recipient),
    text: argument === '' ? command.command : `${command.command} ${argument}`,
    channelMessageId: null,
    channelThreadId: null,
    attachments: [],
    channelMetadata: present({
      eventType: 'slash_command',
      command: command.command,
      commandText: argument,
      teamId: team,
      enterpriseId: textOrNull(enterprise) ?? undefined,
      isEnterpriseInstall: command.is_enterprise_install === 'true' ? true : undefined,
      appId: command.api_app_id,
      userTeam: recipient,
      channel: command.channel_id,
      channelName: command.channel_name,
      responseUrl: command.response_url,
      triggerId: command.trigger_id,
    }),
    sentAt: null, // Slack does not say; the event has the time that it was received.
    vouched: true,
    dedupeKey: interactionKey('slash_command', command.trigger_id, body),
  };
}

/**
 * Slack gives these no id of their own. The trigger id is made anew for each; what has none is
 * recognised by its bytes, which are signed.
 */
export function interactionKey(type: string, triggerId: string | undefined, body: Uint8Array): string {
  return boundId(triggerId ? `${type}:${triggerId}` : `${type}:sha256:${sha256Hex(body)}`);
}
