import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { defineProvider, secretList } from '../../provider.ts';
import { verifyBasic } from '../kit/verify/credentials.ts';
import { fetchPostmarkAttachment } from './attachments.ts';
import { parsePostmark } from './parse.ts';

/**
 * Postmark's inbound mail as JSON. It is not signed: credentials in the webhook's URL let it in.
 * Source: https://postmarkapp.com/developer/webhooks/inbound-webhook
 */
export const postmark = defineProvider({
  name: 'postmark',
  kind: 'email',
  title: 'Postmark (inbound e-mail)',
  secrets: z.strictObject({
    credentials: secretList(
      'user:password, as it stands in the webhook URL at Postmark; letters, digits, - and _ need no escaping there.',
    ).refine(
      (secrets) => secrets.every((secret) => /^[^:]+:./s.test(secret)),
      'credentials are a user, a colon and a password',
    ),
  }),
  settings: z.strictObject({}),
  setup: {
    steps: [
      'Take the credentials that were made with the channel (user:password); your own may replace them.',
      'Write them into the URL: of {ingestUrl}, https://… becomes https://user:password@….',
      'Postmark, your server, Default Inbound Stream, Settings: enter that URL as the Webhook and choose Save changes. Check sends a test, which is answered and ignored.',
      'Switch off "Include raw email content in JSON payload": it doubles the size and is not read.',
      'Receive on a domain of your own: Inbound domain in the same settings and its MX record to inbound.postmarkapp.com; or forward mail to the address of the stream.',
    ],
    address:
      'The mailbox that the mail was sent to, such as support@in.example.com; with plus addressing its whole form, such as support+42@in.example.com.',
  },
  // Postmark takes mail of up to 35 MB; its attachments come in base64.
  maxBodyBytes: 50 * 1024 * 1024,
  newSecret: () => `postmark:${randomBytes(32).toString('base64url')}`,
  verify: (request, channel) => verifyBasic(request, channel.secrets.credentials),
  parse: parsePostmark,
  fetchAttachment: async (attachment, _channel, { event }) => fetchPostmarkAttachment(attachment, event),
});
