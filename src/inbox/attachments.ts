import type { InboundMessage } from './messages.ts';
import { conflict, messageOf, notFound, PermanentError, PostroomError, RetryableError } from '../lib/errors.ts';
import { OutboundError } from '../lib/safe-fetch.ts';
import {
  attachment as attachmentSchema,
  type Attachment,
  type FetchedFile,
  type ProviderFetch,
  type WebhookRequest,
} from '../provider.ts';
import { liveSecrets, openSecrets } from './channel-secrets.ts';
import type { ChannelContext } from './channels.ts';
import { completeSecrets } from './provider-secrets.ts';
import { findEvent } from './events.ts';
import { getMessage } from './messages.ts';

export interface AttachmentFile extends FetchedFile {
  readonly attachment: Attachment;
}

/**
 * The bytes of a message's attachment: out of the stored event where they came with it, else from
 * the provider, with the channel's credentials as they are now.
 *
 * @throws PostroomError `not_found` where there is no such attachment, or none any more; `conflict`
 *   where the channel lacks what it takes; `unavailable` where a later try may succeed.
 */
export async function fetchAttachment(
  context: ChannelContext & { readonly fetch: ProviderFetch },
  tenantId: string,
  messageId: string,
  index: number,
): Promise<AttachmentFile> {
  const message = await getMessage(context.db, tenantId, messageId);
  const found = attachmentSchema.safeParse(message.attachments[index]).data;
  if (!found) throw notFound('attachment', ['path', 'index']);
  const channel = await context.db
    .selectFrom('channels')
    .select(['id', 'provider', 'settings', 'secrets', 'status'])
    .where('tenant_id', '=', tenantId)
    .where('id', '=', message.channel_id)
    .executeTakeFirst();
  const provider = channel && context.providers.get(channel.provider);
  if (!channel || !provider?.fetchAttachment) {
    throw conflict('this provider tells no way to get its attachments', ['path', 'index']);
  }
  const now = context.now();
  // A deleted channel has no secrets any more; what came inside the request can still be had.
  const stored = channel.status === 'deleted' ? {} : openSecrets(context.sealer, tenantId, channel.id, channel.secrets);
  const secrets = completeSecrets(provider, liveSecrets(stored, now));
  const event = await storedRequest(context, message);
  try {
    const file = await provider.fetchAttachment(
      found,
      { secrets, settings: channel.settings },
      { now, event: event ?? emptyRequest, fetch: context.fetch },
    );
    return { attachment: found, ...file };
  } catch (error) {
    throw refusal(error, event !== undefined);
  }
}

/** What stands for a request that retention has dropped: nothing can be found in it. */
const emptyRequest: WebhookRequest = { method: 'POST', url: '', headers: new Headers(), body: new Uint8Array() };

async function storedRequest(context: ChannelContext, message: InboundMessage): Promise<WebhookRequest | undefined> {
  const event = await findEvent(context.db, message.tenant_id, message.event_id);
  return event && { method: event.method, url: event.url, headers: new Headers(event.headers), body: event.body };
}

/** What a provider throws, as an answer. The provider's text names no secret. */
function refusal(error: unknown, hasEvent: boolean): Error {
  const loc = ['path', 'index'];
  const isOutbound = error instanceof OutboundError;
  if (error instanceof RetryableError || (isOutbound && error.retryable)) {
    return new PostroomError('unavailable', 'the provider cannot give it now; try again', {
      loc,
      type: 'attachment_unavailable',
      cause: error,
    });
  }
  if (error instanceof PermanentError || isOutbound) {
    const { code, message } = error;
    const kind = code === 'attachment_gone' ? 'not_found' : code === 'too_large' ? 'too_large' : 'conflict';
    return new PostroomError(kind, message, { loc, type: code, cause: error });
  }
  if (!hasEvent) {
    return new PostroomError('not_found', 'the event that brought it is gone', { loc, type: 'attachment_gone' });
  }
  return new PostroomError('conflict', `it cannot be read: ${messageOf(error)}`, {
    loc,
    type: 'attachment_unreadable',
  });
}
