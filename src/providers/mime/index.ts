import { z } from 'zod';
import { newWebhookSecret } from '../../lib/standard-webhooks.ts';
import { defineProvider } from '../../provider.ts';
import { readRawPart } from '../kit/mail/raw.ts';
import { webhookSecretList } from '../kit/verify/standard-webhooks.ts';
import { parseMail } from './parse.ts';
import { verifyMail } from './verify.ts';

/** A raw RFC 5322 message as the request's body, posted by a mail server or an e-mail worker. */
export const mime = defineProvider({
  name: 'mime',
  kind: 'email',
  title: 'E-mail (raw MIME)',
  secrets: z.strictObject({
    secret: webhookSecretList('The whsec_… secret that the sending mail server signs with.'),
  }),
  settings: z.strictObject({
    trustedAuthservIds: z
      .array(z.string().trim().min(1))
      .default([])
      .describe(
        'The names (authserv-id) under which your mail server writes Authentication-Results headers, such as mx.example.com. Without one no sender is vouched for. The server must remove headers under these names that come from outside.',
      ),
    inboundDomain: z
      .string()
      .trim()
      .min(1)
      .optional()
      .describe('The domain that mail to this channel is for; of several recipients the one in it counts.'),
  }),
  setup: {
    steps: [
      'Let your mail server (a pipe transport or milter, or an e-mail worker) POST each message to {ingestUrl}: the raw message is the body, Content-Type: message/rfc822.',
      'Sign each request by Standard Webhooks (https://www.standardwebhooks.com) with the secret whsec_…: headers webhook-id, webhook-timestamp and webhook-signature over the raw bytes. Give a retry the same bytes.',
      'Write the envelope recipient as X-Original-To or Delivered-To at the top of the message before signing: Bcc and aliases are not in To, and request headers or query parameters are not signed, so they are not read.',
      'Let the server check SPF, DKIM and DMARC, remove foreign Authentication-Results headers and write its own; enter its name in trustedAuthservIds.',
      'Answer a 5xx or a timeout of {ingestUrl} with a temporary failure, so that the message is tried again.',
    ],
    address: 'The mailbox, such as support@in.example.com.',
  },
  maxBodyBytes: 30 * 1024 * 1024,
  newSecret: newWebhookSecret,
  verify: verifyMail,
  parse: parseMail,
  fetchAttachment: (attachment, _channel, { event }) => readRawPart(event.body, attachment.providerId),
});
