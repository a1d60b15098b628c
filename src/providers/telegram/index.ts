import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { defineProvider, optionalSecretList, secretList } from '../../provider.ts';
import { botTokenPattern, fetchTelegramFile } from './files.ts';
import { parseTelegram } from './parse.ts';
import { secretTokenPattern, verifyTelegram } from './verify.ts';

/** Telegram's Bot API. Source: https://core.telegram.org/bots/api#setwebhook */
export const telegram = defineProvider({
  name: 'telegram',
  kind: 'telegram',
  title: 'Telegram (Bot API)',
  secrets: z.strictObject({
    secret: secretList('The secret_token given to setWebhook: 1 to 256 of A-Z, a-z, 0-9, _ and -.').refine(
      (secrets) => secrets.every((secret) => secretTokenPattern.test(secret)),
      'Telegram takes 1 to 256 characters of A-Z, a-z, 0-9, _ and -',
    ),
    botToken: optionalSecretList(
      "The bot's API token of @BotFather, such as 123456:ABC…; files are fetched with it. Messages need none.",
    ).refine(
      (tokens) => tokens.every((token) => botTokenPattern.test(token)),
      "a bot's API token is digits, a colon, and characters of A-Z, a-z, 0-9, _ and -",
    ),
  }),
  settings: z.strictObject({
    bot: z
      .string()
      .trim()
      .min(1)
      .max(512)
      .optional()
      .describe("The bot's user name as its endpoint's address carries it. Updates do not name the bot they are for."),
  }),
  setup: {
    steps: [
      'Telegram, @BotFather: send /newbot, or /mybots for a bot you have, and copy its API token. Where files are wanted it is the secret botToken as well.',
      'Take the secret that was made with the channel; your own may replace it.',
      'Call https://api.telegram.org/bot<API token>/setWebhook with url={ingestUrl}, secret_token=<secret> and allowed_updates=["message","callback_query"].',
      'Call getWebhookInfo the same way: it shows the URL and, where a delivery failed, last_error_message.',
      'For groups, @BotFather, /setprivacy, Disable: otherwise the bot sees commands and replies to itself alone. Then add it to the group.',
    ],
    address: "The bot's user name, such as @acme_support_bot; the same text as in the setting bot.",
  },
  credentialHeaders: ['x-telegram-bot-api-secret-token'],
  newSecret: () => randomBytes(32).toString('base64url'),
  verify: verifyTelegram,
  parse: parseTelegram,
  fetchAttachment: fetchTelegramFile,
});
