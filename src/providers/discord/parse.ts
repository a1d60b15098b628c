import { normalizeIdentity } from '../../lib/identity.ts';
import type { Parsed, ParsedMessage, WebhookRequest } from '../../provider.ts';
import {
  boundId,
  boundOrNull,
  dateFromMillis,
  present,
  readJson,
  reasonFrom,
  textOrNull,
  type Json,
} from '../kit/fields.ts';
import { applicationCommand, autocomplete, messageComponent, modalSubmit, ping } from './answer.ts';
import {
  describeInputs,
  describeOptions,
  describeTarget,
  listFiles,
  readAttachments,
  readCommand,
  readInputs,
  textOfCommand,
  textOfInputs,
  valuesOf,
} from './content.ts';
import {
  discordEvent,
  discordInteraction,
  discordMessage,
  type DiscordData,
  type DiscordEvent,
  type DiscordInteraction,
  type DiscordUser,
} from './schema.ts';

/** Milliseconds from 1970 to the first second of 2015, from which Discord's ids count. */
const discordEpoch = 1_420_070_400_000;

/** Webhook events that are something a person wrote. */
const writtenEvents = new Set(['LOBBY_MESSAGE_CREATE', 'GAME_DIRECT_MESSAGE_CREATE']);

/** One message out of an interaction, or out of a webhook event that brings one. */
export function parseDiscord(request: WebhookRequest): Parsed {
  const body = readJson(request.body);
  const event = discordEvent.safeParse(body).data;
  const interaction = discordInteraction.safeParse(body).data;
  const outcome = event ? readEvent(event) : interaction ? readInteraction(interaction) : 'unknown_type';
  return typeof outcome === 'string'
    ? { deliveryId: null, messages: [], ignored: [{ reason: outcome }] }
    : { deliveryId: null, messages: [outcome], ignored: [] };
}

/** The message, or the reason why there is none. */
function readInteraction(interaction: DiscordInteraction): ParsedMessage | string {
  const { id, data, member } = interaction;
  if (interaction.type === ping) return 'ping';
  if (interaction.type === autocomplete) return 'autocomplete';
  const said = data && readData(interaction.type, data);
  if (!id || !said) return 'unknown_type';
  const author = member?.user ?? interaction.user;
  if (!author?.id) return 'no_sender';
  if (author.bot === true) return 'bot_message';
  return {
    ...base(author, interaction.application_id),
    displayName: textOrNull(member?.nick) ?? nameOf(author),
    text: said.text,
    channelMessageId: boundId(id),
    channelThreadId: boundOrNull(interaction.channel_id ?? interaction.channel?.id),
    attachments: readAttachments(data),
    channelMetadata: { ...describe(interaction, author), ...said.metadata },
    sentAt: dateOfId(id),
    dedupeKey: boundId(`interaction:${id}`),
  };
}

interface Said {
  readonly text: string | null;
  readonly metadata: Record<string, Json>;
}

/** What the person says with it: the command, what was picked or filled in, or the button's id. */
function readData(type: number | undefined, data: DiscordData): Said | undefined {
  if (type === applicationCommand) {
    const command = readCommand(data);
    if (command.name === '') return undefined;
    const options = command.options.length > 0 ? describeOptions(command.options) : undefined;
    return {
      text: textOfCommand(command, data),
      metadata: present<Json>({ eventType: 'command', command: command.name, options, ...describeTarget(data) }),
    };
  }
  if (type === messageComponent) {
    const values = valuesOf({ values: data.values });
    return {
      text: textOrNull(values.join(', ')) ?? textOrNull(data.custom_id),
      metadata: present<Json>({
        eventType: 'component',
        customId: data.custom_id,
        componentType: data.component_type,
        values: values.length > 0 ? values : undefined,
      }),
    };
  }
  if (type !== modalSubmit) return undefined;
  const inputs = readInputs(data);
  const metadata = { eventType: 'modal', customId: data.custom_id, inputs: describeInputs(inputs) };
  return { text: textOfInputs(inputs), metadata: present<Json>(metadata) };
}

function describe(interaction: DiscordInteraction, author: DiscordUser): Record<string, Json> {
  const { channel } = interaction;
  return present<Json>({
    applicationId: interaction.application_id,
    guildId: interaction.guild_id,
    channelId: interaction.channel_id ?? channel?.id,
    channelName: channel?.name,
    channelType: channel?.type,
    parentChannelId: textOrNull(channel?.parent_id) ?? undefined,
    context: interaction.context,
    locale: interaction.locale,
    messageId: interaction.message?.id,
    username: author.username,
    interactionToken: interaction.token,
  });
}

/** A message of the Social SDK; installations, entitlements and changes are ignored by name. */
function readEvent({ application_id: application, event }: DiscordEvent): ParsedMessage | string {
  const type = event.type ?? '';
  if (!writtenEvents.has(type)) return reasonFrom('event', type.toLowerCase());
  const message = discordMessage.safeParse(event.data).data;
  const { id, author } = message ?? {};
  if (!message || !id) return 'unknown_type';
  if (!author?.id) return 'no_sender';
  if (author.id === application) return 'own_message';
  if (author.bot === true) return 'bot_message';
  return {
    ...base(author, application),
    displayName: nameOf(author),
    text: textOrNull(message.content),
    channelMessageId: boundId(id),
    channelThreadId: boundOrNull(message.lobby_id ?? message.channel_id),
    attachments: listFiles(message.attachments),
    channelMetadata: present<Json>({
      eventType: type.toLowerCase(),
      applicationId: application,
      channelId: message.channel_id,
      lobbyId: message.lobby_id,
      recipientId: message.recipient_id,
      username: author.username,
    }),
    sentAt: dateOfId(id),
    dedupeKey: boundId(`message:${id}`),
  };
}

/** Users are known by their id: names can be changed. Discord vouches for who it is. */
function base(author: DiscordUser, application: string | undefined) {
  return {
    channel: 'discord' as const,
    externalIdentity: boundId(normalizeIdentity('discord', author.id ?? '')),
    recipient: boundOrNull(application),
    vouched: true,
  };
}

function nameOf(user: DiscordUser): string | null {
  return textOrNull(user.global_name) ?? textOrNull(user.username);
}

/** The time is in an id's upper 42 bits. Source: https://discord.com/developers/docs/reference#snowflakes */
function dateOfId(id: string): Date | null {
  return /^\d{1,19}$/.test(id) ? dateFromMillis(Number(BigInt(id) >> 22n) + discordEpoch) : null;
}
