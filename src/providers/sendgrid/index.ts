import { z } from 'zod';
import { defineProvider, secretList } from '../../provider.ts';
import { fetchSendgridFile, parseSendgrid } from './parse.ts';
import { sendgridKey, verifySendgrid } from './verify.ts';

/**
 * Twilio SendGrid's Inbound Parse.
 * Source: https://www.twilio.com/docs/sendgrid/for-developers/parsing-email/setting-up-the-inbound-parse-webhook
 */
export const sendgrid = defineProvider({
  name: 'sendgrid',
  kind: 'email',
  title: 'E-mail (SendGrid Inbound Parse)',
  secrets: z.strictObject({
    publicKey: secretList('')
      .refine(
        (keys) => keys.every((key) => sendgridKey(key)),
        'a public key is the base64 text that SendGrid gives, of a P-256 key',
      )
      .default([])
      .describe(
        'The public_key of the security policy that is attached to the parse setting. With one, every request must be signed.',
      ),
    credentials: secretList('')
      .refine(
        (pairs) => pairs.every((pair) => /^[^:]+:./s.test(pair)),
        'credentials are a user and a password with a colon between them',
      )
      .default([])
      .describe(
        'user:password, as in the URL that is entered at SendGrid. They count until there is a publicKey; one of the two must be given.',
      ),
  }),
  settings: z.strictObject({}),
  setup: {
    steps: [
      "At your domain's DNS host: give the receiving host name, such as in.example.com, an MX record 10 mx.sendgrid.net; it must receive mail for nothing else.",
      'SendGrid, Settings, Inbound Parse, Add Host & URL: choose the domain and enter {ingestUrl} as the Destination URL. "POST the raw, full MIME message" may be on or off.',
      'Signed requests: POST https://api.sendgrid.com/v3/user/webhooks/security/policies with {"name":"postroom","signature":{"enabled":true}}, then attach the policy with PATCH https://api.sendgrid.com/v3/user/webhooks/parse/settings/<host name> and {"security_policy":"<policy id>"}.',
      'Put the public_key of the answer into the secret publicKey before mail arrives: what is refused is lost at SendGrid.',
      'Without signatures: make the channel with the secret credentials, and enter the URL with them, https://user:password@….',
    ],
    address: 'The mailbox, such as support@in.example.com.',
  },
  maxBodyBytes: 30 * 1024 * 1024,
  credentialHeaders: ['authorization'],
  verify: verifySendgrid,
  parse: parseSendgrid,
  fetchAttachment: (attachment, _channel, { event }) => fetchSendgridFile(attachment, event),
});
