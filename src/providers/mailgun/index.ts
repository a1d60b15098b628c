import { z } from 'zod';
import { defineProvider, optionalSecretList, secretList } from '../../provider.ts';
import { fetchMailgunFile, parseMailgun } from './parse.ts';
import { verifyMailgun } from './verify.ts';

/**
 * Mailgun's routes.
 * Source: https://documentation.mailgun.com/docs/mailgun/user-manual/receive-forward-store/receive-http
 */
export const mailgun = defineProvider({
  name: 'mailgun',
  kind: 'email',
  title: 'E-mail (Mailgun routes)',
  secrets: z.strictObject({
    signingKey: secretList('The HTTP webhook signing key of the account; it is not the API key.'),
    apiKey: optionalSecretList('An API key of the account, for files of mail that a route stores with store().'),
  }),
  settings: z.strictObject({
    spamFilterMarks: z
      .boolean()
      .default(false)
      .describe(
        "Whether the domain's Spam Filter at Mailgun is set to mark spam with MIME headers. Only then does Mailgun say whether DKIM passed; without it no sender is vouched for.",
      ),
  }),
  setup: {
    steps: [
      "At your domain's DNS host: give the receiving domain the MX records that Mailgun shows under its DNS records, mxa.mailgun.org and mxb.mailgun.org.",
      'Mailgun, API Security: copy the HTTP webhook signing key into the secret signingKey.',
      'Receiving, Create Route: choose Match Recipient or Catch All, tick Forward and enter {ingestUrl}. With ?mime after the URL Mailgun sends the raw message.',
      'Or tick Store and notify with {ingestUrl}: files then stay at Mailgun, and the secret apiKey is needed to fetch them.',
      "To have senders vouched for: set the domain's Spam Filter to mark spam with MIME headers, and the setting spamFilterMarks to true.",
    ],
    address: 'The mailbox, such as support@mg.example.com.',
  },
  maxBodyBytes: 30 * 1024 * 1024,
  verify: verifyMailgun,
  parse: parseMailgun,
  fetchAttachment: fetchMailgunFile,
});
