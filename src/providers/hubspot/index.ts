import { z } from 'zod';
import { defineProvider, secretList } from '../../provider.ts';
import { publicUrlSetting } from '../kit/verify/public-url.ts';
import { parseHubspot } from './parse.ts';
import { verifyHubspot } from './verify.ts';

/** HubSpot's webhooks. Source: https://developers.hubspot.com/docs/api-reference/latest/webhooks/guide */
export const hubspot = defineProvider({
  name: 'hubspot',
  kind: 'webhook',
  title: 'HubSpot',
  secrets: z.strictObject({
    clientSecret: secretList("The app's client secret, under Auth. While rotating it, list both."),
  }),
  settings: z.strictObject({
    publicUrl: publicUrlSetting,
    ownChanges: z
      .boolean()
      .default(false)
      .describe('Take changes that the app itself made as well; otherwise they are ignored.'),
  }),
  setup: {
    steps: [
      'Open the app in your developer account, Auth, and copy the Client secret into clientSecret.',
      'Webhooks, Target URL: enter {ingestUrl}. In a project, it is settings.targetUrl of the webhooks component.',
      'Create subscriptions for the events you want, such as contact.creation or conversation.newMessage, and activate them.',
      'Install the app in the account; from then on its events arrive.',
    ],
    address: 'The account (Hub ID), such as 62515.',
  },
  verify: verifyHubspot,
  parse: parseHubspot,
});
