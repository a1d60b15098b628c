import { z } from 'zod';
import { listField, sizeField, textField } from '../kit/fields.ts';

/**
 * The fields of Telegram's updates that we read.
 * Source: https://core.telegram.org/bots/api#update
 */

/** Ids have up to 52 bits, so they are exact as numbers. */
const idField = z.int().optional().catch(undefined);
const numberField = z.number().optional().catch(undefined);
const flagField = z.boolean().optional().catch(undefined);

const user = z.object({
  id: idField,
  is_bot: flagField,
  first_name: textField,
  last_name: textField,
  username: textField,
  language_code: textField,
});
export type TelegramUser = z.infer<typeof user>;

const chat = z.object({ id: idField, type: textField, title: textField, username: textField });

const location = z.object({ latitude: numberField, longitude: numberField }).optional().catch(undefined);

/** A file of any kind; which of the fields there are depends on the kind. */
export const telegramFile = z.object({
  file_id: textField,
  file_name: textField,
  mime_type: textField,
  file_size: sizeField,
  width: numberField,
  height: numberField,
});
export type TelegramFile = z.infer<typeof telegramFile>;
const file = telegramFile.optional().catch(undefined);

export const telegramMessage = z.object({
  message_id: idField,
  message_thread_id: idField,
  /** Whether the thread is a forum topic; in other groups it is only a chain of replies. */
  is_topic_message: flagField,
  from: user.optional().catch(undefined),
  date: idField,
  chat: chat.optional().catch(undefined),
  /** A post of a channel, put into its discussion group by Telegram. */
  is_automatic_forward: flagField,
  forward_origin: z.object({ type: textField }).optional().catch(undefined),
  reply_to_message: z.object({ message_id: idField }).optional().catch(undefined),
  media_group_id: textField,
  text: textField,
  caption: textField,
  photo: listField,
  animation: file,
  audio: file,
  document: file,
  sticker: telegramFile.extend({ emoji: textField }).optional().catch(undefined),
  video: file,
  video_note: file,
  voice: file,
  contact: z
    .object({ phone_number: textField, first_name: textField, last_name: textField, user_id: idField })
    .optional()
    .catch(undefined),
  location,
  venue: z.object({ location, title: textField, address: textField }).optional().catch(undefined),
  poll: z.object({ id: textField, question: textField }).optional().catch(undefined),
  dice: z.object({ emoji: textField, value: idField }).optional().catch(undefined),
});
export type TelegramMessage = z.infer<typeof telegramMessage>;

/** A press on a button under a message of the bot's. */
export const telegramCallback = z.object({
  id: textField,
  from: user.optional().catch(undefined),
  message: telegramMessage
    .pick({ message_id: true, message_thread_id: true, is_topic_message: true, chat: true })
    .optional()
    .catch(undefined),
  inline_message_id: textField,
  chat_instance: textField,
  data: textField,
});
export type TelegramCallback = z.infer<typeof telegramCallback>;

/** An update has its id and one more field, which is named after its type. */
export const telegramUpdate = z.looseObject({ update_id: idField });

/** Fields of a message that reports on the chat instead of saying something. */
export const serviceFields = [
  'new_chat_members',
  'left_chat_member',
  'chat_owner_left',
  'chat_owner_changed',
  'new_chat_title',
  'new_chat_photo',
  'delete_chat_photo',
  'group_chat_created',
  'supergroup_chat_created',
  'channel_chat_created',
  'message_auto_delete_timer_changed',
  'migrate_to_chat_id',
  'migrate_from_chat_id',
  'pinned_message',
  'successful_payment',
  'refunded_payment',
  'users_shared',
  'chat_shared',
  'connected_website',
  'write_access_allowed',
  'proximity_alert_triggered',
  'boost_added',
  'chat_background_set',
  'forum_topic_created',
  'forum_topic_edited',
  'forum_topic_closed',
  'forum_topic_reopened',
  'general_forum_topic_hidden',
  'general_forum_topic_unhidden',
  'giveaway_created',
  'giveaway_completed',
  'video_chat_scheduled',
  'video_chat_started',
  'video_chat_ended',
  'video_chat_participants_invited',
  'web_app_data',
];
