import { z } from 'zod';
import { listField, sizeField, textField } from '../kit/fields.ts';

/**
 * The fields of Discord's interactions and webhook events that we read. Ids are strings.
 * Sources: https://discord.com/developers/docs/interactions/receiving-and-responding and
 * https://discord.com/developers/docs/events/webhook-events
 */

const intField = z.int().optional().catch(undefined);
const flagField = z.boolean().optional().catch(undefined);

const discordUser = z.object({
  id: textField,
  username: textField,
  global_name: textField,
  bot: flagField,
});
export type DiscordUser = z.infer<typeof discordUser>;
const user = discordUser.optional().catch(undefined);

const channel = z.object({ id: textField, type: intField, name: textField, parent_id: textField });

/** `value` or `options`: a subcommand, or a group of them, has options of its own. */
export const discordOption = z.object({
  name: textField,
  type: intField,
  value: z.union([z.string(), z.number(), z.boolean()]).optional().catch(undefined),
  options: listField,
});
export type DiscordOption = z.infer<typeof discordOption>;

/** An input of a modal, or what wraps inputs: a row has `components`, a label `component`. */
export const discordComponent = z.object({
  type: intField,
  custom_id: textField,
  value: z.union([z.string(), z.number(), z.boolean()]).optional().catch(undefined),
  values: listField,
  component: z.unknown().optional(),
  components: listField,
});
export type DiscordComponent = z.infer<typeof discordComponent>;

export const discordAttachment = z.object({
  id: textField,
  filename: textField,
  content_type: textField,
  size: sizeField,
  url: textField,
});

/** What a command for a message was used on. */
export const discordTarget = z.object({ content: textField, author: user, channel_id: textField });

const interactionData = z.object({
  name: textField,
  type: intField,
  target_id: textField,
  options: listField,
  custom_id: textField,
  component_type: intField,
  values: listField,
  components: listField,
  resolved: z
    .object({ attachments: z.unknown().optional(), messages: z.unknown().optional() })
    .optional()
    .catch(undefined),
});
export type DiscordData = z.infer<typeof interactionData>;

export const discordInteraction = z.object({
  id: textField,
  application_id: textField,
  type: intField,
  data: interactionData.optional().catch(undefined),
  guild_id: textField,
  channel_id: textField,
  channel: channel.optional().catch(undefined),
  /** In a server; in a direct message there is `user` instead. */
  member: z.object({ nick: textField, user }).optional().catch(undefined),
  user,
  token: textField,
  locale: textField,
  context: intField,
  /** The message with the component, also where that opened the modal. */
  message: z.object({ id: textField }).optional().catch(undefined),
});
export type DiscordInteraction = z.infer<typeof discordInteraction>;

/** What was written in a lobby or a direct message of a game that uses Discord's Social SDK. */
export const discordMessage = z.object({
  id: textField,
  content: textField,
  channel_id: textField,
  lobby_id: textField,
  recipient_id: textField,
  author: user,
  attachments: listField,
});

/** The outer part of a webhook event; an interaction has no `event`. */
export const discordEvent = z.object({
  application_id: textField,
  event: z.object({ type: textField, data: z.unknown().optional() }),
});
export type DiscordEvent = z.infer<typeof discordEvent>;
