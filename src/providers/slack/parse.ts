import { normalizeIdentity } from '../../lib/identity.ts';
import type { Attachment, Parsed, ParsedMessage, ProviderChannel, WebhookRequest } from '../../provider.ts';
import { boundId, dateFromMillis, present, readForm, readJson, reasonFrom, textOrNull } from '../kit/fields.ts';
import {
  isForm,
  slackAuthorization,
  slackEnvelope,
  slackEvent,
  slackFile,
  type SlackEnvelope,
  type SlackEvent,
} from './schema.ts';

type Settings = { botUserId?: string | undefined; appId?: string | undefined };

/** Subtypes that are something a person wrote. All others report a change or an announcement. */
const writtenSubtypes = new Set(['file_share', 'thread_broadcast', 'me_message']);

/** Subtypes whose reason is their own name, because people look for it. */
const namedSubtypes = new Set(['bot_message', 'message_changed', 'message_deleted']);

/** One message out of a `message` or `app_mention` event; everything else is ignored by name. */
export function parseSlack(
  request: WebhookRequest,
  channel: ProviderChannel<Record<string, string[]>, Settings>,
): Parsed {
  if (isForm(request.headers)) return ignore(formReason(readForm(request.body)), null);
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

function formReason(form: URLSearchParams): string {
  if (form.has('command')) return 'slash_command';
  return form.has('payload') ? 'interactivity' : 'unknown_type';
}

function reasonToIgnore(event: SlackEvent, envelope: SlackEnvelope, settings: Settings): string | undefined {
  if (event.type !== 'message' && event.type !== 'app_mention') {
    return reasonFrom('event', event.type ?? '');
  }
  if (isOwn(event, envelope, settings)) return 'own_message';
  if (event.subtype !== undefined && !writtenSubtypes.has(event.subtype)) {
    return namedSubtypes.has(event.subtype) ? event.subtype : reasonFrom('subtype', event.subtype);
  }
  if (event.bot_id) return 'bot_message';
  if (event.hidden === true) return 'hidden';
  if (event.user === 'USLACKBOT') return 'slackbot';
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
  const recipient = textOrNull(envelope.team_id) ?? textOrNull(envelope.context_team_id);
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
      enterpriseId: envelope.enterprise_id,
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

/** Slack escapes exactly these three. In one pass, so that `&amp;lt;` stays the text `&lt;`. */
function unescapeEntities(text: string): string {
  return text.replace(/&(?:lt|gt|amp);/g, (entity) => (entity === '&lt;' ? '<' : entity === '&gt;' ? '>' : '&'));
}

function readFile(entry: unknown): Attachment[] {
  const file = slackFile.safeParse(entry).data;
  if (!file?.id && !file?.url_private) return [];
  return [
    {
      name: file.name ?? null,
      contentType: file.mimetype ?? null,
      size: file.size,
      url: file.url_private ?? null,
      providerId: file.id ?? null,
    },
  ];
}

/** `1712345678.000100`: seconds, and a counter that makes it unique within the channel. */
function readTimestamp(ts: string): Date | null {
  return /^\d{1,12}(?:\.\d{1,9})?$/.test(ts) ? dateFromMillis(Math.round(Number(ts) * 1000)) : null;
}
