import { normalizeIdentity } from '../../lib/identity.ts';
import type { Parsed, ParsedMessage, ProviderChannel, WebhookRequest } from '../../provider.ts';
import { boundId, dateFromIso, present, readJson, reasonFrom, textOrNull } from '../kit/fields.ts';
import { linearPayload, type LinearPayload, type LinearPerson } from './schema.ts';
import { readWriting, writtenActions, type Written } from './writing.ts';

type Settings = { ownActor?: string | undefined; apps: boolean };

/** One message for what somebody newly wrote; changes of it, apps and all other events are ignored. */
export function parseLinear(
  request: WebhookRequest,
  channel: ProviderChannel<Record<string, string[]>, Settings>,
): Parsed {
  const payload = linearPayload.safeParse(readJson(request.body)).data;
  const delivery = textOrNull(request.headers.get('linear-delivery'));
  const deliveryId = delivery === null ? null : boundId(delivery);
  const ignore = (reason: string): Parsed => ({ deliveryId, messages: [], ignored: [{ reason }] });

  const { type = '', action = '' } = payload ?? {};
  if (!payload || !Object.hasOwn(writtenActions, type)) return ignore('unknown_type');
  if (!writtenActions[type]?.includes(action)) return ignore(reasonFrom('action', action));
  const written = readWriting(payload);
  if (!written) return ignore('unknown_type');
  const { author, text } = written;
  if (!author?.id) return ignore('no_sender');
  const reason = reasonToIgnore(author, channel.settings);
  if (reason !== undefined) return ignore(reason);
  if (text === null) return ignore('no_content');
  return { deliveryId, messages: [buildMessage(payload, type, action, written, author.id)], ignored: [] };
}

/** What an app posts, ours among them, would otherwise come back as a message and be answered. */
function reasonToIgnore(author: LinearPerson, settings: Settings): string | undefined {
  if (author.id === settings.ownActor) return 'own_message';
  return author.type?.toLowerCase() === 'oauthclient' && !settings.apps ? 'bot_message' : undefined;
}

function buildMessage(
  payload: LinearPayload,
  type: string,
  action: string,
  written: Written,
  authorId: string,
): ParsedMessage {
  const { data, organizationId } = payload;
  const { author, issue } = written;
  const team = issue?.team?.key ?? issue?.identifier?.split('-')[0];
  const recipient = team || organizationId;
  return {
    channel: 'webhook',
    externalIdentity: boundId(normalizeIdentity('webhook', `linear:${authorId}`)),
    displayName: textOrNull(author?.name ?? author?.service),
    recipient: recipient ? boundId(recipient) : null,
    text: written.text,
    channelMessageId: boundId(written.id),
    channelThreadId: boundId(written.thread),
    attachments: [],
    channelMetadata: present({
      type,
      action,
      actorId: authorId,
      actorType: author?.type,
      actorEmail: author?.email,
      organizationId,
      webhookId: payload.webhookId,
      url: payload.url ?? payload.agentSession?.url ?? issue?.url,
      team,
      issueId: issue?.id ?? data?.issueId,
      identifier: issue?.identifier,
      title: issue?.title,
      state: data?.state?.name,
      priority: data?.priorityLabel,
      parentId: data?.parentId,
      health: data?.health,
      projectId: data?.projectId,
      customer: data?.customer?.name,
      customerId: data?.customer?.id,
      agentSessionId: payload.agentSession?.id,
      commentId: payload.agentSession?.comment?.id,
      signal: payload.agentActivity?.signal,
    }),
    sentAt: dateFromIso(payload.createdAt),
    // External users are people of another system, a chat or a help desk, that Linear is told of.
    vouched: !isExternal(payload, author),
    // The ids are signed and stay; the delivery's is not signed, and the time in the body changes.
    dedupeKey: boundId(`${type}:${action}:${written.id}`),
  };
}

function isExternal({ data }: LinearPayload, author: LinearPerson | undefined): boolean {
  if (author?.type !== undefined) return author.type.toLowerCase() === 'externaluser';
  return author !== undefined && [data?.externalUser?.id, data?.externalUserCreator?.id].includes(author.id);
}
