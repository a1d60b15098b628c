import { z } from 'zod';
import { defineProvider, optionalSecretList, secretList } from '../../provider.ts';
import { downloadWithSecrets } from '../kit/files/with-secrets.ts';
import { parseZendesk } from './parse.ts';
import { zendeskSettings } from './settings.ts';
import { publicTestSecret, verifyZendesk } from './verify.ts';

/** Zendesk's webhooks. Source: https://developer.zendesk.com/documentation/webhooks/ */
export const zendesk = defineProvider({
  name: 'zendesk',
  kind: 'webhook',
  title: 'Zendesk',
  secrets: z.strictObject({
    signingSecret: secretList('The signing secret of the webhook, whole, as Reveal secret shows it.').refine(
      (secrets) => !secrets.includes(publicTestSecret),
      "this is Zendesk's test secret, which everybody knows; save the webhook and reveal its own",
    ),
    apiToken: optionalSecretList(
      'For attachments where only signed-in people may open them: name@example.com/token:<API token> of an agent.',
    ),
  }),
  settings: zendeskSettings,
  setup: {
    steps: [
      'Zendesk shows the secret only once it has the URL: make the channel without secrets.',
      'Admin Center, Apps and integrations, Actions and webhooks, Webhooks, Create webhook. Choose Zendesk events, such as Ticket comment added and Messaging message added; or Trigger or automation for a JSON of your own.',
      'Endpoint URL: enter {ingestUrl}. Request method: POST, Request format: JSON. Authentication: None. Create webhook; a test before that is refused, because Zendesk signs it with a secret that everybody knows.',
      'On the page of the webhook choose Reveal secret, and enter it as the secret signingSecret.',
      'For a trigger or automation: add the action Notify by Webhook and write its JSON with sender, text, id and thread, or set the JSON pointers to where yours has them.',
    ],
    address:
      'The number of the account, such as 12514403, which is account_id in every event; for triggers and automations the value at the pointer recipient.',
  },
  methods: ['POST', 'PUT', 'PATCH'],
  verify: verifyZendesk,
  parse: parseZendesk,
  async fetchAttachment({ url }, channel, { fetch }) {
    return await downloadWithSecrets(fetch, url, channel.secrets.apiToken, (token) => ({
      headers: { authorization: `Basic ${Buffer.from(token).toString('base64')}` },
      hosts: ['zendesk.com'],
    }));
  },
});
