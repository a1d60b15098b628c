import { z } from 'zod';
import { defineProvider, secretList } from '../../provider.ts';
import { download } from '../kit/files/download.ts';
import { acknowledgeDiscord, shakeDiscordHand } from './answer.ts';
import { parseDiscord } from './parse.ts';
import { verifyDiscord } from './verify.ts';

/**
 * Discord's interactions and webhook events. Ordinary messages in channels do not come over HTTP.
 * Source: https://discord.com/developers/docs/interactions/overview
 */
export const discord = defineProvider({
  name: 'discord',
  kind: 'discord',
  title: 'Discord (interactions, webhook events)',
  secrets: z.strictObject({
    publicKey: secretList('Public Key of the application, under General Information: 64 hex digits.').refine(
      (keys) => keys.every((key) => /^[0-9a-f]{64}$/i.test(key)),
      'a public key of Discord has 64 hex digits',
    ),
  }),
  settings: z.strictObject({
    ephemeral: z
      .boolean()
      .default(true)
      .describe(
        'Whether the first answer to a command, "is thinking" and what fills it in, is visible to its author alone.',
      ),
  }),
  setup: {
    steps: [
      'Open https://discord.com/developers/applications and choose New Application, or open an application you have.',
      'General Information: copy the Public Key into the secret publicKey.',
      'General Information, Interactions Endpoint URL: enter {ingestUrl} and choose Save Changes. Discord asks at once, and saves it only when the answer is right.',
      "Register the application's commands with Discord's API, and install it in a server or for a user, under Installation.",
      'For webhook events: Webhooks, enter {ingestUrl} as the Endpoint URL, switch Events on, choose them, then Save Changes.',
    ],
    address: "The application's id, such as 1071234567890123456, under General Information.",
  },
  verify: verifyDiscord,
  handshake: shakeDiscordHand,
  parse: parseDiscord,
  acknowledge: acknowledgeDiscord,

  /** The URLs are open to whoever has them, for as long as the signature in them lasts. */
  async fetchAttachment(attachment, _channel, context) {
    return await download(context.fetch, attachment.url);
  },
});
