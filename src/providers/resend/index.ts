import { z } from 'zod';
import { defineProvider, optionalSecretList } from '../../provider.ts';
import { verifyStandardWebhook, webhookSecretList } from '../kit/verify/standard-webhooks.ts';
import { fetchResendAttachment } from './attachments.ts';
import { parseResend } from './parse.ts';

/** Resend's received mail, signed by Svix. Source: https://resend.com/docs/webhooks/emails/received */
export const resend = defineProvider({
  name: 'resend',
  kind: 'email',
  title: 'Resend (inbound e-mail)',
  secrets: z.strictObject({
    signingSecret: webhookSecretList('The signing secret (whsec_…) of the webhook at Resend.'),
    apiKey: optionalSecretList('An API key (re_…) with full access, which attachments are fetched with.'),
  }),
  settings: z.strictObject({}),
  setup: {
    steps: [
      'Resend, Domains, your domain: switch Receiving on and set its MX record; or take the address under Emails, Receiving.',
      'Webhooks, Add Webhook: enter {ingestUrl} as the endpoint URL, choose the event email.received and Add.',
      'Copy the signing secret of the webhook (whsec_…) into the secret signingSecret.',
      'For attachments: API Keys, Create API Key with full access, into the secret apiKey.',
    ],
    address: 'The mailbox that the mail was received for, such as support@in.example.com.',
  },
  verify: (request, channel, { now }) => verifyStandardWebhook(request, channel.secrets.signingSecret, now),
  parse: parseResend,
  fetchAttachment: (attachment, channel, context) => fetchResendAttachment(attachment, channel.secrets.apiKey, context),
});
