import { normalizeIdentity } from '../../lib/identity.ts';
import type { Parsed, ParsedMessage, ProviderChannel, WebhookRequest } from '../../provider.ts';
import { isForm, readForm } from '../kit/body/form.ts';
import { boundId, present, readJson, reasonFrom, textOrNull } from '../kit/fields.ts';
import { readCommand } from './command.ts';
import { readFile } from './files.ts';
import { readInteraction } from './interaction.ts';
import { slackAuthorization, slackEnvelope, slackEvent, type SlackEnvelope, type SlackEvent } from './schema.ts';
import { readTimestamp, unescapeEntities } from './text.ts';

type Settings = { botUserId?: string | undefined; appId?: string | undefined };

/** Subtypes that are something a person wrote. All others report a change or an announcement. */
const writtenSubtypes = new Set(['file_share', 'thread_broadcast', 'me_message']);

/** Subtypes whose reason is the one that all providers have for it. */
const namedSubtypes = new Map([
  ['bot_message', 'bot_message'],
  ['message_changed', 'message_edited'],
  ['message_deleted', 'message_deleted'],
]);

/**
 * One message out of a `message` or `app_mention` event, a slash command or an interaction;
 * everything else is ignored by name.
 */
export function parseSlack(
  request: WebhookRequest,
  channel: ProviderChannel<Record<string, string[]>, Settings>,
): Parsed {
  if (isForm(request.headers)) {
    const outcome = readFormBody(request.body);
    return typeof outcome === 'string' ? ignore(outcome, null) : { deliveryId: null, messages: [outcome], ignored: [] };
  }
  const envelope = slackEnvelope.safeParse(readJson(request.body)).data;
  const deliveryId = textOrNull(envelope?.event_id);
  if (envelope?.type !== 'event_callback') return ignore('unknown_type', deliveryId);
  const event = slackEvent.safeParse(envelope.event).data;
  if (!event) return ignore('unknown_type', deliveryId);

  const reason = reasonToIgnore(event, envelope, channel.settings);
  if (reason !== undefined) return ignore(reason, deliveryId);
  const message = buildMessage(event, envelope);
  if (!message) return ignore('unknown_type', deliveryId);
  return { deliveryId, messages: [message], ignored: [] };
}

function ignore(reason: string, deliveryId: string | null): Parsed {
  return { deliveryId, messages: [], ignored: [{ reason }] };
}

/** Slash commands and interactivity have no delivery id. */
function readFormBody(body: Uint8Array): ParsedMessage | string {
  const form = readForm(body);
  if (form.has('command')) return readCommand(form, body);
  return form.has('payload') ? readInteraction(form, body) : 'unknown_type';
}

function reasonToIgnore(event: SlackEvent, envelope: SlackEnvelope, settings: Settings): string | undefined {
  if (event.type !== 'message' && event.type !== 'app_mention') {
    return reasonFrom('event', event.type ?? '');
  }
  if (isOwn(event, envelope, settings)) return 'own_message';
  if (event.subtype !== undefined && !writtenSubtypes.has(event.subtype)) {
    return namedSubtypes.get(event.subtype) ?? reasonFrom('subtype', event.subtype);
  }
  if (event.bot_id) return 'bot_message';
  if (event.hidden === true) return 'hidden';
  if (event.user === 'USLACKBOT') return 'bot_message';
  return event.user ? undefined : 'no_sender';
}

/** Our own posts come back as events. The envelope names our app and our bot user itself. */
function isOwn(event: SlackEvent, envelope: SlackEnvelope, settings: Settings): boolean {
  const app = event.app_id ?? event.bot_profile?.app_id;
  if (app && (app === settings.appId || app === envelope.api_app_id)) return true;
  if (!event.user) return false;
  if (event.user === settings.botUserId) return true;
  return (envelope.authorizations ?? []).some((entry) => {
    const authorization = slackAuthorization.safeParse(entry).data;
    return authorization?.is_bot === true && authorization.user_id === event.user;
  });
}

function buildMessage(event: SlackEvent, envelope: SlackEnvelope): ParsedMessage | undefined {
  const { user, channel, ts } = event;
  const recipient = workspaceOf(envelope);
  // A user id is only unique within a workspace, and in a shared channel the author may belong to
  // another one: with the receiving team instead, a stranger could pass for one of ours.
  const team = event.user_team || event.team || recipient;
  if (!user || !channel || !ts || !team) return undefined;
  return {
    channel: 'slack',
    externalIdentity: boundId(normalizeIdentity('slack', `${team}:${user}`)),
    displayName: textOrNull(event.user_profile?.display_name) ?? textOrNull(event.user_profile?.real_name),
    recipient: recipient === null ? null : boundId(recipient),
    text: textOrNull(unescapeEntities(event.text ?? '')),
    channelMessageId: boundId(ts),
    channelThreadId: boundId(event.thread_ts || ts),
    attachments: (event.files ?? []).flatMap(readFile),
    channelMetadata: present({
      eventId: envelope.event_id,
      eventType: event.type,
      subtype: event.subtype,
      teamId: envelope.team_id,
      enterpriseId: envelope.enterprise_id ?? envelope.context_enterprise_id,
      appId: envelope.api_app_id,
      userTeam: team,
      channel,
      channelType: event.channel_type,
      ts,
      threadTs: event.thread_ts,
      parentUserId: event.parent_user_id,
      clientMessageId: event.client_msg_id,
    }),
    sentAt: readTimestamp(ts),
    vouched: true,
    // Without the event's id: `app_mention` and `message` announce the same post separately.
    dedupeKey: boundId(`${recipient ?? ''}:${channel}:${ts}`),
  };
}

/** The workspace; what happens in a whole organisation of Enterprise Grid (`E…`) has the organisation. */
function workspaceOf(envelope: SlackEnvelope): string | null {
  const [first, ...rest] = [envelope.team_id, envelope.context_team_id, envelope.enterprise_id].filter(Boolean);
  const workspace = [first, ...rest].find((id) => id?.startsWith('T'));
  return textOrNull(workspace ?? first);
}
