import { normalizeIdentity } from '../../lib/identity.ts';
import type { Ignored, Parsed, ParsedMessage, ProviderChannel, WebhookRequest } from '../../provider.ts';
import { boundId, dateFromMillis, present, readJson, reasonFrom, textOrNull } from '../kit/fields.ts';
import { readFiles, readPostText } from './content.ts';
import { intercomNotification, intercomPost, type IntercomNotification, type IntercomPost } from './schema.ts';

type Settings = { vouched: boolean };

/** Contacts in Intercom's word for them; version 1 called those without an account leads. */
const contactTypes = new Set(['user', 'lead', 'contact']);

/** One message for each thing that contacts wrote; what the team and its bots write is ignored. */
export function parseIntercom(
  request: WebhookRequest,
  channel: ProviderChannel<Record<string, string[]>, Settings>,
): Parsed {
  const notification = intercomNotification.safeParse(readJson(request.body)).data;
  const id = textOrNull(notification?.id);
  const deliveryId = id === null ? null : boundId(id);
  const ignore = (reason: string): Parsed => ({ deliveryId, messages: [], ignored: [{ reason }] });
  if (notification?.type !== 'notification_event') return ignore('unknown_type');
  const { topic = '' } = notification;
  if (topic === 'ping') return ignore('ping');
  const posts = readPosts(notification);
  if (posts === undefined)
    return ignore(topic.startsWith('conversation.') ? reasonFrom('topic', topic) : 'unknown_type');
  if (posts.length === 0) return ignore('no_parts');

  const outcomes = posts.map((post) => readPost(notification, post, channel.settings));
  return {
    deliveryId,
    messages: outcomes.flatMap((outcome) => ('reason' in outcome ? [] : [outcome])),
    ignored: outcomes.flatMap((outcome) => ('reason' in outcome ? [outcome] : [])),
  };
}

/** What the notification is about; undefined for topics other than what contacts wrote. */
function readPosts(notification: IntercomNotification): IntercomPost[] | undefined {
  const item = notification.data?.item;
  if (notification.topic === 'conversation.user.created') {
    const source = item?.source ?? item?.conversation_message;
    return source ? [{ ...source, created_at: source.created_at ?? item?.created_at }] : [];
  }
  if (notification.topic !== 'conversation.user.replied') return undefined;
  // The newest part alone, as a rule; what came meanwhile as well.
  const parts = item?.conversation_parts?.conversation_parts ?? [];
  return parts.flatMap((part) => intercomPost.safeParse(part).data ?? []);
}

function readPost(notification: IntercomNotification, post: IntercomPost, settings: Settings): ParsedMessage | Ignored {
  const { author } = post;
  if (author?.type === 'admin' || author?.type === 'team') return { reason: 'staff_message' };
  if (author?.type === 'bot') return { reason: 'bot_message' };
  if (!author?.id?.trim() || !contactTypes.has(author.type ?? '')) return { reason: 'no_sender' };
  if (post.redacted) return { reason: 'redacted' };
  const item = notification.data?.item;
  if (!item?.id || !post.id) return { reason: 'unknown_type' };
  const text = readPostText(post);
  const attachments = readFiles(post);
  if (text === null && attachments.length === 0) return { reason: 'no_content' };

  const workspace = textOrNull(notification.app_id);
  const isEmail = post.type === 'email' || post.email_message_metadata !== undefined;
  return {
    channel: 'webhook',
    externalIdentity: boundId(normalizeIdentity('webhook', `intercom:${author.id.trim()}`)),
    displayName: textOrNull(author.name),
    recipient: workspace === null ? null : boundId(workspace),
    text,
    channelMessageId: boundId(post.id),
    channelThreadId: boundId(item.id),
    attachments,
    channelMetadata: present({
      topic: notification.topic,
      workspace: workspace ?? undefined,
      contactType: author.type,
      email: author.email || undefined,
      subject: readPostText({ ...post, body: post.subject }) ?? undefined,
      title: item.title || undefined,
      state: item.state || undefined,
      partType: post.part_type,
      sourceType: post.part_type === undefined ? post.type : undefined,
      deliveredAs: post.delivered_as,
      pageUrl: post.url || undefined,
    }),
    sentAt: dateFromMillis((post.created_at ?? Number.NaN) * 1000),
    // Anybody can write a From address, and a lead is whoever opened the Messenger.
    vouched: settings.vouched && author.type === 'user' && !isEmail,
    // All of it is in the signed body. An app that several workspaces use gets the events of each.
    dedupeKey: boundId(`${workspace ?? ''}:${item.id}:${post.id}`),
  };
}
