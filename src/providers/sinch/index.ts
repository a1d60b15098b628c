import { z } from 'zod';
import { defineProvider, secretList } from '../../provider.ts';
import { fetchSinch } from './attachment.ts';
import { parseSinch } from './parse.ts';
import { verifySinch } from './verify.ts';

/** Sinch Conversation API, and the SMS API's callbacks. Source: https://developers.sinch.com/docs/conversation/callbacks */
export const sinch = defineProvider({
  name: 'sinch',
  kind: 'sms',
  title: 'Sinch (Conversation API and SMS)',
  secrets: z.strictObject({
    webhookSecret: secretList(
      "The webhook's Secret token, which you choose. Without one Sinch signs nothing, and everything is refused. While changing it, list both.",
    ),
  }),
  settings: z.strictObject({
    toleranceSeconds: z
      .int()
      .min(60)
      .max(172_800)
      .default(300)
      .describe(
        'How old a signature may be. Sinch tries again for two days: raise it where later tries are refused as stale_timestamp.',
      ),
  }),
  setup: {
    steps: [
      'Make up a long random text and put it into the secret webhookSecret.',
      'Sinch Build Dashboard, Conversation API, Apps: open your app and choose Add webhook.',
      'Target type HTTP, Target URL {ingestUrl}, Secret token the same text, Triggers MESSAGE_INBOUND (EVENT_INBOUND too for reactions), then Create.',
      'SMS API instead: enter {ingestUrl} as the Callback URL of the service plan, and ask Sinch support to sign its callbacks (HMAC) with the same text.',
    ],
    address:
      "Our number in E.164, such as +15550783881, or the sender id that people write to; the app's id where the channel has none.",
  },
  verify: verifySinch,
  parse: parseSinch,
  fetchAttachment: fetchSinch,
});
