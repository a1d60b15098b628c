import { z } from 'zod';
import { defineProvider, optionalSecretList, secretList } from '../../provider.ts';
import { downloadWithSecrets } from '../kit/files/with-secrets.ts';
import { publicUrlSetting } from '../kit/verify/public-url.ts';
import { parseBird } from './parse.ts';
import { verifyBird } from './verify.ts';

/** Bird, MessageBird's newer platform. Source: https://docs.bird.com/api/notifications-api */
export const bird = defineProvider({
  name: 'bird',
  kind: 'sms',
  title: 'Bird (SMS, WhatsApp and other channels)',
  secrets: z.strictObject({
    signingKey: secretList('The signing key of the webhook subscription, which you choose when you create it.'),
    accessKey: optionalSecretList('An access key of the workspace, for files that Bird keeps. Messages need none.'),
  }),
  settings: z.strictObject({ publicUrl: publicUrlSetting }),
  setup: {
    steps: [
      'Make up a long random text and put it into the secret signingKey.',
      'POST https://api.bird.com/workspaces/<workspace id>/webhook-subscriptions with service "channels", event "sms.inbound" (or "whatsapp.inbound" and so on), url {ingestUrl} and the same text as signingKey, with the header Authorization: AccessKey <your access key>.',
      'One subscription for each event; an event filter with the key channelId restricts it to one channel.',
      'The URL must be the one the service itself knows as its public URL, character by character.',
    ],
    address: "The id of Bird's channel, such as 614208aa-b153-4d5d-9989-2fddfc0ce4c3.",
  },
  verify: verifyBird,
  parse: parseBird,
  async fetchAttachment({ url }, channel, { fetch }) {
    return await downloadWithSecrets(fetch, url, channel.secrets.accessKey, (key) => ({
      headers: { authorization: `AccessKey ${key}` },
      hosts: ['bird.com', 'messagebird.com'],
    }));
  },
});
