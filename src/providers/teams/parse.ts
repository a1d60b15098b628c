import { normalizeIdentity } from '../../lib/identity.ts';
import type { Parsed, ParsedMessage, ProviderChannel, Reply, WebhookRequest } from '../../provider.ts';
import { keepAs } from '../kit/body/kept-json.ts';
import { boundId, dateFromIso, present, readJson, textOrNull, type Json } from '../kit/fields.ts';
import { readAttachments, readText } from './content.ts';
import { teamsActivity, teamsCardAction, type TeamsActivity } from './schema.ts';

type Settings = { appId: string; tenantId?: string | undefined };

/** Activities that nobody writes, and the reason they are ignored with. */
const reports: ReadonlyMap<string, string> = new Map([
  ['conversationUpdate', 'conversation_update'],
  ['installationUpdate', 'installation_update'],
  ['messageReaction', 'message_reaction'],
  ['messageUpdate', 'message_edited'],
  ['messageDelete', 'message_deleted'],
  ['typing', 'typing'],
  ['event', 'event'],
  ['endOfConversation', 'end_of_conversation'],
]);

const cardAction = 'adaptiveCard/action';

/** One message for what somebody wrote or submitted with a card; all other activities are ignored. */
export function parseTeams(
  request: WebhookRequest,
  channel: ProviderChannel<Record<string, string[]>, Settings>,
): Parsed {
  const activity = teamsActivity.safeParse(readJson(request.body)).data;
  const outcome = activity ? readActivity(activity, channel.settings, request.body.byteLength) : 'unknown_type';
  return typeof outcome === 'string'
    ? { deliveryId: null, messages: [], ignored: [{ reason: outcome }] }
    : { deliveryId: null, messages: [outcome], ignored: [] };
}

/** The message, or the reason why there is none. */
function readActivity(activity: TeamsActivity, settings: Settings, bodyBytes: number): ParsedMessage | string {
  // A bot may be reachable through Web Chat as well, where everybody calls himself what he likes.
  if (activity.channelId !== 'msteams') return 'other_channel';
  const reason = reports.get(activity.type ?? '') ?? reasonToIgnore(activity, settings);
  return reason ?? buildMessage(activity, bodyBytes) ?? 'unknown_type';
}

function reasonToIgnore(activity: TeamsActivity, { appId, tenantId }: Settings): string | undefined {
  const { type, from } = activity;
  if (type === 'invoke' && activity.name !== cardAction) return 'invoke';
  if (type !== 'message' && type !== 'invoke') return 'unknown_type';
  if (!from?.id?.trim()) return 'no_sender';
  if (from.id.toLowerCase() === `28:${appId}`) return 'own_message';
  if (from.id.startsWith('28:') || from.role === 'bot') return 'bot_message';
  if (tenantId !== undefined && tenantOf(activity) !== tenantId) return 'other_tenant';
  if (type === 'invoke') {
    return teamsCardAction.safeParse(activity.value).data?.trigger === 'automatic' ? 'card_refresh' : undefined;
  }
  const isEmpty = readText(activity) === null && readAttachments(activity).length === 0;
  return isEmpty && (activity.value ?? null) === null ? 'no_content' : undefined;
}

function buildMessage(activity: TeamsActivity, bodyBytes: number): ParsedMessage | undefined {
  const { id, conversation, from, channelData } = activity;
  if (!id || !conversation?.id || !from?.id) return undefined;
  const tenant = tenantOf(activity);
  return {
    channel: 'teams',
    externalIdentity: identityOf(activity, from.id),
    displayName: textOrNull(from.name),
    recipient: tenant === undefined ? null : boundId(tenant),
    text: readText(activity),
    channelMessageId: boundId(id),
    channelThreadId: boundId(conversation.id),
    attachments: readAttachments(activity),
    channelMetadata: present<Json>({
      activityType: activity.type,
      conversationType: conversation.conversationType,
      conversationName: conversation.name,
      tenantId: tenant,
      teamId: channelData?.team?.id,
      teamName: channelData?.team?.name,
      teamsChannelId: channelData?.channel?.id,
      teamsChannelName: channelData?.channel?.name,
      userId: from.id,
      aadObjectId: from.aadObjectId,
      botId: activity.recipient?.id,
      serviceUrl: activity.serviceUrl,
      textFormat: activity.textFormat,
      locale: activity.locale,
      replyToId: activity.replyToId,
      ...keepAs('value', activity.value, bodyBytes),
    }),
    sentAt: dateFromIso(activity.timestamp),
    // Who has no account (a guest of a meeting) gives a name of his own choice.
    vouched: Boolean(from.aadObjectId && tenant),
    // Without the bot's own id of the sender: an activity's id is unique within its conversation.
    dedupeKey: boundId(`${conversation.id}:${id}`),
  };
}

/**
 * The account within its tenant, as Microsoft Entra shows both. The id of Teams itself (`29:…`) is
 * another for every bot and is shown nowhere; it stands in where there is no account.
 */
function identityOf(activity: TeamsActivity, id: string): string {
  const tenant = tenantOf(activity);
  const account = activity.from?.aadObjectId?.trim().toLowerCase();
  return boundId(normalizeIdentity('teams', tenant && account ? `${tenant}:${account}` : id));
}

function tenantOf({ conversation, channelData }: TeamsActivity): string | undefined {
  const tenant = conversation?.tenantId ?? channelData?.tenant?.id;
  return tenant?.trim().toLowerCase() || undefined;
}

/** An `invoke` wants an answer in the body, or Teams shows the person an error. */
export function acknowledgeTeams(request: WebhookRequest): Reply {
  const activity = readQuietly(request.body);
  if (activity?.type !== 'invoke') return { status: 200 };
  const answer =
    activity.name === cardAction
      ? { statusCode: 200, type: 'application/vnd.microsoft.activity.message', value: 'OK' }
      : {};
  return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(answer) };
}

function readQuietly(body: Uint8Array): TeamsActivity | undefined {
  try {
    return teamsActivity.safeParse(readJson(body)).data;
  } catch {
    return undefined;
  }
}
