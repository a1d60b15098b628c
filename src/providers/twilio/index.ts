import { z } from 'zod';
import { defineProvider, secretList } from '../../provider.ts';
import { fetchTwilioMedia } from './media.ts';
import { parseTwilio } from './parse.ts';
import { verifyTwilio } from './verify.ts';

/** Twilio Programmable Messaging. Source: https://www.twilio.com/docs/usage/webhooks/webhooks-security */
export const twilio = defineProvider({
  name: 'twilio',
  kind: 'sms',
  title: 'Twilio (SMS, MMS, WhatsApp and RCS)',
  secrets: z.strictObject({
    authToken: secretList(
      "The account's primary Auth Token; a subaccount's numbers sign with the subaccount's. While promoting the secondary token, list both.",
    ),
  }),
  settings: z.strictObject({
    publicUrl: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe(
        'The URL exactly as entered at Twilio, where it differs from the ingest URL (a proxy that rewrites it): Twilio signs it.',
      ),
  }),
  setup: {
    steps: [
      'Twilio Console, Account Dashboard, Account Info: copy the Auth Token into the secret authToken.',
      'SMS and MMS: Phone Numbers, Manage, Active numbers, your number, Messaging Configuration: for "A message comes in" choose Webhook, enter {ingestUrl} and HTTP POST, then Save configuration.',
      'A Messaging Service instead of single numbers: Messaging, Services, your service, Integration: choose "Send a webhook" and enter {ingestUrl} as the Request URL.',
      'WhatsApp: Messaging, Senders, WhatsApp senders, your sender: enter {ingestUrl} as the webhook URL for incoming messages.',
      'The URL must be the one the service itself knows as its public URL, character by character.',
    ],
    address: 'The phone number in E.164, such as +15550100200; the same for SMS and WhatsApp.',
  },
  methods: ['POST', 'GET'],
  verify: verifyTwilio,
  parse: parseTwilio,
  fetchAttachment: fetchTwilioMedia,
  // Any text in the answer would be sent back as a message.
  acknowledge: () => ({
    status: 200,
    headers: { 'content-type': 'text/xml; charset=utf-8' },
    body: '<?xml version="1.0" encoding="UTF-8"?><Response/>',
  }),
});
