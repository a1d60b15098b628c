import { normalizeIdentity } from '../../lib/identity.ts';
import type { Attachment, Ignored, ParsedMessage } from '../../provider.ts';
import { boundId, dateFromIso, present, textOrNull, type Json } from '../kit/fields.ts';
import { keepPayload } from '../kit/json-message/payload.ts';
import { readText } from '../kit/mail/text.ts';
import type { ZendeskSettings } from './settings.ts';
import type { ZendeskEvent } from './schema.ts';

export const eventTypePrefix = 'zen:event-type:';

/** Who did it, what it says, and what it is recognised by. */
interface Reading {
  readonly userId: string | undefined;
  readonly name: string | undefined;
  readonly text: string | null;
  readonly messageId: string;
  readonly key: string;
  readonly metadata: Record<string, Json | undefined>;
}

/** The message of an event: what a requester wrote, or any other event in a sentence. */
export function readEvent(
  event: ZendeskEvent,
  id: string,
  payload: Json,
  bodyBytes: number,
  settings: ZendeskSettings,
): ParsedMessage | Ignored {
  const type = (event.type ?? '').slice(eventTypePrefix.length);
  const reading =
    type === 'ticket.comment_added'
      ? readComment(event, id)
      : type === 'messaging_ticket.message_added'
        ? readChat(event, id)
        : readOther(event, id, type, payload, bodyBytes);
  if ('reason' in reading) return reading;
  const { detail } = event;
  const account = textOrNull(event.account_id);
  const thread = event.subject?.replace(/^zen:/, '') || event.event?.conversation_id || undefined;
  return {
    channel: 'webhook',
    externalIdentity: boundId(normalizeIdentity('webhook', identityOf(account, reading.userId))),
    displayName: textOrNull(reading.name),
    recipient: account === null ? null : boundId(account),
    text: reading.text,
    channelMessageId: boundId(reading.messageId),
    channelThreadId: boundId(thread ?? reading.messageId),
    attachments: readFiles(event),
    channelMetadata: present<Json>({
      type,
      account: account ?? undefined,
      ticketSubject: thread?.startsWith('ticket:') ? detail?.subject || undefined : undefined,
      status: detail?.status || undefined,
      priority: detail?.priority || undefined,
      via: detail?.via?.channel,
      requesterId: detail?.requester_id,
      brandId: detail?.brand_id,
      organizationId: detail?.organization_id,
      externalId: detail?.external_id || undefined,
      ...reading.metadata,
    }),
    sentAt: dateFromIso(event.time),
    vouched: isVouched(event, reading.userId, settings),
    dedupeKey: boundId(reading.key),
  };
}

function readComment(event: ZendeskEvent, id: string): Reading | Ignored {
  const comment = event.event?.comment;
  const author = comment?.author;
  if (comment?.is_public !== true) return { reason: 'private_comment' };
  if (author?.is_staff === true) return { reason: 'staff_message' };
  if (!author?.id?.trim()) return { reason: 'no_sender' };
  const text = textOrNull(comment.body) ?? textOrNull(readText({ html: comment.html_body }));
  const messageId = comment.id || id;
  return {
    userId: author.id,
    name: author.name,
    text,
    messageId,
    key: keyOf('comment', event, messageId),
    metadata: {},
  };
}

function readChat(event: ZendeskEvent, id: string): Reading | Ignored {
  const { actor, message, conversation_id: conversationId } = event.event ?? {};
  if (actor?.type === 'agent') return { reason: 'staff_message' };
  if (actor?.type !== 'end_user') return { reason: 'system_message' };
  if (!actor.id?.trim()) return { reason: 'no_sender' };
  const messageId = message?.id || id;
  const text = textOrNull(message?.body);
  const key = keyOf('message', event, messageId);
  return { userId: actor.id, name: actor.name, text, messageId, key, metadata: { conversationId } };
}

/** Which types matter is for Zendesk and the routes to say. */
function readOther(event: ZendeskEvent, id: string, type: string, payload: Json, bodyBytes: number): Reading {
  const userId = /^zen:user:(.+)$/.exec(event.subject ?? '')?.[1] ?? event.detail?.actor_id;
  const { detail } = event;
  const subject = detail?.subject || detail?.title || detail?.name || event.subject?.replace(/^zen:/, '');
  const words = type.replaceAll(/[._]+/g, ' ').trim();
  const sentence = `${words.slice(0, 1).toUpperCase()}${words.slice(1)}`;
  const text = textOrNull(subject ? `${sentence}: ${subject}` : sentence);
  return { userId, name: undefined, text, messageId: id, key: id, metadata: keepPayload(payload, bodyBytes) };
}

/** The message's own id, so that two webhooks that report it do not make it two messages. */
function keyOf(kind: string, event: ZendeskEvent, id: string): string {
  return `${event.account_id ?? ''}:${kind}:${id}`;
}

/** Zendesk numbers users within an account, so the account is part of who somebody is. */
function identityOf(account: string | null, userId: string | undefined): string {
  return ['zendesk', account, userId?.trim()].filter(Boolean).join(':');
}

/** Anybody can write a From address; of an event that names no user the account is the sender. */
function isVouched(event: ZendeskEvent, userId: string | undefined, settings: ZendeskSettings): boolean {
  if (userId === undefined) return event.account_id !== undefined;
  const via = event.detail?.via?.channel;
  return settings.vouched && via !== 'mail' && via !== 'email';
}

function readFiles(event: ZendeskEvent): Attachment[] {
  const file = event.event?.comment?.attachment;
  if (!file?.content_url) return [];
  return [
    {
      name: textOrNull(file.filename),
      contentType: textOrNull(file.content_type),
      size: null,
      url: file.content_url,
      providerId: textOrNull(file.id),
    },
  ];
}
