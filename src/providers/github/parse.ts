import { normalizeIdentity } from '../../lib/identity.ts';
import type { Attachment, Parsed, ParsedMessage, ProviderChannel, WebhookRequest } from '../../provider.ts';
import { boundId, present, reasonFrom, textOrNull } from '../kit/fields.ts';
import { sha256Hex } from '../kit/signature.ts';
import { githubAsset, githubPayload, readPayload, type GithubPayload, type GithubSender } from './schema.ts';
import { eventOf, readWriting, writtenActions, type Written } from './writing.ts';

type Settings = { ownLogin?: string | undefined };

/** One message for what somebody newly wrote; changes of it, bots and all other events are ignored. */
export function parseGithub(
  request: WebhookRequest,
  channel: ProviderChannel<Record<string, string[]>, Settings>,
): Parsed {
  const payload = githubPayload.safeParse(readPayload(request.body)).data;
  const delivery = textOrNull(request.headers.get('x-github-delivery'));
  const deliveryId = delivery === null ? null : boundId(delivery);
  const ignore = (reason: string): Parsed => ({ deliveryId, messages: [], ignored: [{ reason }] });

  if (!payload) return ignore('unknown_type');
  const event = eventOf(payload);
  if (event === undefined) return ignore('unknown_type');
  // The header is not signed: it can have an event ignored that only looks like one, and no more.
  const named = request.headers.get('x-github-event');
  if (named !== null && named !== event) return ignore('unknown_type');

  const reason = reasonToIgnore(event, payload, channel.settings);
  if (reason !== undefined) return ignore(reason);
  const written = readWriting(payload);
  if (typeof written === 'string') return ignore(written);
  const message = written && buildMessage(event, payload, written, request.body);
  return message ? { deliveryId, messages: [message], ignored: [] } : ignore('unknown_type');
}

function reasonToIgnore(event: string, payload: GithubPayload, settings: Settings): string | undefined {
  if (event === 'ping') return 'ping';
  const { action, sender } = payload;
  const expected = writtenActions[event];
  if (expected !== undefined && action !== expected) return reasonFrom('action', action ?? '');
  if (sender?.id === undefined || !sender.login) return 'no_sender';
  if (sender.type === 'Bot') return 'bot_message';
  return sender.login.toLowerCase() === settings.ownLogin?.toLowerCase() ? 'own_message' : undefined;
}

function buildMessage(
  event: string,
  payload: GithubPayload,
  written: Written,
  body: Uint8Array,
): ParsedMessage | undefined {
  const { action, sender, repository } = payload;
  const { source, about } = written;
  if (sender?.id === undefined || !repository?.full_name) return undefined;
  const kind = action === undefined ? event : `${event}.${action}`;
  return {
    channel: 'webhook',
    externalIdentity: boundId(normalizeIdentity('webhook', identityOf(sender, sender.id))),
    displayName: sender.login ?? null,
    recipient: boundId(repository.full_name),
    text: written.text,
    channelMessageId: boundId(`${event}:${written.id}`),
    channelThreadId: boundId(`${repository.full_name}${written.thread}`),
    attachments: (payload.release?.assets ?? []).flatMap(readAsset),
    channelMetadata: present({
      event,
      action,
      repository: repository.full_name,
      repositoryId: repository.id,
      senderId: sender.id,
      senderLogin: sender.login,
      authorAssociation: source?.author_association,
      id: source?.id,
      number: about?.number,
      title: about?.title ?? payload.release?.name,
      url: source?.html_url ?? payload.compare,
      state: payload.review?.state,
      draft: payload.pull_request?.draft,
      path: payload.comment?.path,
      commit: payload.comment?.commit_id ?? payload.review?.commit_id ?? payload.after,
      tag: payload.release?.tag_name,
      ref: payload.ref,
      installationId: payload.installation?.id,
    }),
    sentAt: written.sentAt,
    vouched: true,
    // With the body's hash: the delivery id is not signed, and a replay may come under another.
    dedupeKey: boundId(`${kind}:${written.id}:${sha256Hex(body)}`),
  };
}

/**
 * By number, because a login can be given up and taken by somebody else. An Enterprise Server
 * numbers its own users, so theirs carry its host.
 */
function identityOf(sender: GithubSender, id: number): string {
  const host = /^https:\/\/([a-z0-9.:-]+)\//i.exec(sender.html_url ?? '')?.[1]?.toLowerCase();
  return host === undefined || host === 'github.com' ? `github:${id}` : `github:${host}:${id}`;
}

function readAsset(entry: unknown): Attachment[] {
  const asset = githubAsset.safeParse(entry).data;
  if (!asset?.browser_download_url) return [];
  return [
    {
      name: asset.name ?? null,
      contentType: asset.content_type ?? null,
      size: asset.size,
      url: asset.browser_download_url,
      providerId: asset.id === undefined ? null : String(asset.id),
    },
  ];
}
