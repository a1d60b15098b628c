import { z } from 'zod';
import { defineProvider, optionalSecretList, secretList } from '../../provider.ts';
import { downloadWithSecrets } from '../kit/files/with-secrets.ts';
import { publicUrlSetting } from '../kit/verify/public-url.ts';
import { parseMessagebird } from './parse.ts';
import { verifyMessagebird } from './verify.ts';

/**
 * MessageBird's own platform, before Bird's. Source: https://developers.messagebird.com/api/#verifying-http-requests
 */
export const messagebird = defineProvider({
  name: 'messagebird',
  kind: 'sms',
  title: 'MessageBird (SMS and Conversations)',
  secrets: z.strictObject({
    signingKey: secretList('The signing key of the account, under Developers, API settings. It signs every webhook.'),
    accessKey: optionalSecretList('A live API access key, for files that MessageBird keeps. Messages need none.'),
  }),
  settings: z.strictObject({ publicUrl: publicUrlSetting }),
  setup: {
    steps: [
      'MessageBird Dashboard, Developers, API settings: create or show the signing key and copy it into the secret signingKey.',
      'Conversations: POST https://conversations.messagebird.com/v1/webhooks with events ["message.created"], the channelId and {ingestUrl} as url, with the header Authorization: AccessKey <your access key>.',
      'SMS without Conversations: Numbers, your number, Flows: a flow that begins with SMS and forwards to {ingestUrl} by POST.',
      'The URL must be the one the service itself knows as its public URL, character by character.',
    ],
    address: 'The number in E.164, such as +31612345678; on other platforms its id with their name before it.',
  },
  methods: ['POST', 'GET'],
  verify: verifyMessagebird,
  parse: parseMessagebird,
  async fetchAttachment({ url }, channel, { fetch }) {
    return await downloadWithSecrets(fetch, url, channel.secrets.accessKey, (key) => ({
      headers: { authorization: `AccessKey ${key}` },
      hosts: ['messagebird.com'],
    }));
  },
});
