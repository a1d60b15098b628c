import type { Parsed, ParsedMessage, ProviderChannel, WebhookRequest } from '../../provider.ts';
import { boundId, dateFromMillis, present, readJson, textOrNull } from '../kit/fields.ts';
import { hasContent, readAttachments, readDetails, readText } from './content.ts';
import {
  serviceFields,
  telegramCallback,
  telegramMessage,
  telegramUpdate,
  type TelegramCallback,
  type TelegramMessage,
  type TelegramUser,
} from './schema.ts';

type Channel = ProviderChannel<Record<string, string[]>, { bot?: string | undefined }>;

/** Updates that bring no message for the bot, with the reason why they are ignored. */
const namedUpdates = new Map([
  ['edited_message', 'message_edited'],
  ['edited_channel_post', 'message_edited'],
  ['channel_post', 'channel_post'],
]);

/** One message out of a `message` or `callback_query` update; everything else is ignored. */
export function parseTelegram(request: WebhookRequest, channel: Channel): Parsed {
  const update = telegramUpdate.safeParse(readJson(request.body)).data;
  const deliveryId = update?.update_id === undefined ? null : String(update.update_id);
  const outcome = update ? readUpdate(update, channel.settings.bot) : 'unknown_type';
  return typeof outcome === 'string'
    ? { deliveryId, messages: [], ignored: [{ reason: outcome }] }
    : { deliveryId, messages: [outcome], ignored: [] };
}

/** The message, or the reason why there is none. */
function readUpdate(update: Record<string, unknown>, bot: string | undefined): ParsedMessage | string {
  const recipient = bot === undefined ? null : boundId(bot);
  const named = [...namedUpdates.keys()].find((type) => type in update);
  if (named !== undefined) return namedUpdates.get(named) ?? named;
  const callback = telegramCallback.safeParse(update['callback_query']).data;
  if (callback) return buildFromCallback(callback, recipient);
  const message = telegramMessage.safeParse(update['message']).data;
  if (!message) return 'unknown_type';
  if (message.from?.is_bot === true) return 'bot_message';
  if (message.is_automatic_forward === true) return 'automatic_forward';
  if (!hasContent(message)) return isService(update['message']) ? 'system_message' : 'unknown_type';
  return buildMessage(message, recipient);
}

function isService(message: unknown): boolean {
  return typeof message === 'object' && message !== null && serviceFields.some((field) => field in message);
}

function buildMessage(message: TelegramMessage, recipient: string | null): ParsedMessage | string {
  const { from, chat, message_id: id } = message;
  if (from?.id === undefined) return 'no_sender';
  if (chat?.id === undefined || id === undefined) return 'unknown_type';
  return {
    channel: 'telegram',
    externalIdentity: String(from.id),
    displayName: nameOf(from),
    recipient,
    text: readText(message),
    channelMessageId: String(id),
    channelThreadId: threadOf(message),
    attachments: readAttachments(message),
    channelMetadata: present({
      updateType: 'message',
      ...describePlace(message),
      ...describeUser(from),
      replyToMessageId: message.reply_to_message?.message_id,
      mediaGroupId: message.media_group_id,
      forwardOrigin: message.forward_origin?.type,
      ...readDetails(message),
    }),
    sentAt: message.date === undefined ? null : dateFromMillis(message.date * 1000),
    vouched: true,
    // A message's id is unique within its chat alone.
    dedupeKey: `${chat.id}:${id}`,
  };
}

/** What a pressed button says is what its person says, by way of `data`. */
function buildFromCallback(callback: TelegramCallback, recipient: string | null): ParsedMessage | string {
  const { from, id } = callback;
  if (from?.is_bot === true) return 'bot_message';
  if (!id || !callback.data) return 'unknown_type';
  if (from?.id === undefined) return 'no_sender';
  return {
    channel: 'telegram',
    externalIdentity: String(from.id),
    displayName: nameOf(from),
    recipient,
    text: callback.data,
    channelMessageId: boundId(id),
    channelThreadId: callback.message ? threadOf(callback.message) : null,
    attachments: [],
    channelMetadata: present({
      updateType: 'callback_query',
      ...describePlace(callback.message ?? {}),
      ...describeUser(from),
      inlineMessageId: callback.inline_message_id,
      chatInstance: callback.chat_instance,
    }),
    sentAt: null, // The update says when the message with the button was sent, not when it was pressed.
    vouched: true,
    dedupeKey: boundId(`callback_query:${id}`),
  };
}

type Place = Partial<Pick<TelegramMessage, 'message_id' | 'message_thread_id' | 'is_topic_message' | 'chat'>>;

/** The chat, or the topic within it. */
function threadOf(place: Place): string | null {
  if (place.chat?.id === undefined) return null;
  const isTopic = place.is_topic_message === true && place.message_thread_id !== undefined;
  return isTopic ? `${place.chat.id}:${place.message_thread_id}` : String(place.chat.id);
}

function describePlace(place: Place): Record<string, string | number | undefined> {
  return {
    chatId: place.chat?.id,
    chatType: place.chat?.type,
    chatTitle: place.chat?.title,
    chatUsername: place.chat?.username,
    messageId: place.message_id,
    messageThreadId: place.message_thread_id,
  };
}

function describeUser(user: TelegramUser): Record<string, string | undefined> {
  return { username: user.username, languageCode: user.language_code };
}

function nameOf(user: TelegramUser): string | null {
  const name = [user.first_name, user.last_name].filter(Boolean).join(' ');
  return textOrNull(name) ?? textOrNull(user.username);
}
