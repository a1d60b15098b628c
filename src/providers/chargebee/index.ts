import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { defineProvider, secretList } from '../../provider.ts';
import { verifyBasic } from '../kit/verify/credentials.ts';
import { parseChargebee } from './parse.ts';

/**
 * Chargebee's events. Nothing is signed: a user name and a password of ours let a request in.
 * Source: https://www.chargebee.com/docs/billing/2.0/site-configuration/webhook_settings
 */
export const chargebee = defineProvider({
  name: 'chargebee',
  kind: 'webhook',
  title: 'Chargebee',
  secrets: z.strictObject({
    login: secretList(
      'User name and password that Chargebee is to send, as user:password; the user name without a colon.',
    ).refine((logins) => logins.every((login) => /^[^:]+:./s.test(login)), 'a login is user:password'),
  }),
  settings: z.strictObject({
    site: z
      .string()
      .min(1)
      .max(512)
      .optional()
      .describe('The site, such as acme-test. Events do not name it; it becomes the address that messages are for.'),
  }),
  setup: {
    steps: [
      'Settings, Configure Chargebee, API Keys and Webhooks, Webhooks: choose Add Webhook.',
      'Webhook URL: enter {ingestUrl}.',
      "Protect webhook URL with basic authentication: switch it on. Username: the part of the channel's login before the colon. Password: the part behind it.",
      'Choose the events you want, such as Payment Failed, and create the webhook.',
      'Test Webhook sends an example, which becomes a message too.',
    ],
    address: 'The site, as the setting site has it, such as acme-test.',
  },
  credentialHeaders: ['authorization'],
  newSecret: () => `postroom:${randomBytes(24).toString('base64url')}`,
  verify: (request, channel) => verifyBasic(request, channel.secrets.login),
  parse: parseChargebee,
});
