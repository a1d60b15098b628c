import { z } from 'zod';
import { defineProvider, secretList } from '../../provider.ts';
import { download } from '../kit/files/download.ts';
import { publicUrlSetting } from '../kit/verify/public-url.ts';
import { parsePlivo } from './parse.ts';
import { verifyPlivo } from './verify.ts';

/** Plivo messaging. Source: https://www.plivo.com/docs/messaging/concepts/signature-validation */
export const plivo = defineProvider({
  name: 'plivo',
  kind: 'sms',
  title: 'Plivo (SMS, MMS and WhatsApp)',
  secrets: z.strictObject({
    authToken: secretList(
      "The Auth Token of the main account; of a subaccount's numbers its own will do too. While changing tokens, list both.",
    ),
  }),
  settings: z.strictObject({
    publicUrl: publicUrlSetting,
    allowV2: z
      .boolean()
      .default(false)
      .describe(
        'Also take requests that carry the older V2 signature alone. It does not cover the body: whoever sees one such request can post one message of their own making.',
      ),
  }),
  setup: {
    steps: [
      'Plivo console, Overview: copy the Auth Token into the secret authToken.',
      'Messaging, Applications (XML), Add New Application: enter {ingestUrl} as the Message URL with method POST, and save.',
      'Phone Numbers, Your Numbers, your number: choose that application as its XML Application. For WhatsApp choose it under Messaging, WhatsApp, your number.',
      'The URL must be the one the service itself knows as its public URL, character by character.',
      'Where requests are refused as missing_signature, Plivo sends V2 signatures alone for the account: ask Plivo for V3, or switch allowV2 on.',
    ],
    address: 'The phone number in E.164, such as +14157654321; a short code as it is; the same for SMS and WhatsApp.',
  },
  methods: ['POST', 'GET'],
  verify: verifyPlivo,
  parse: parsePlivo,
  // Plivo takes the answer for XML that tells it what to send; this tells it nothing.
  acknowledge: () => ({
    status: 200,
    headers: { 'content-type': 'application/xml; charset=utf-8' },
    body: '<?xml version="1.0" encoding="UTF-8"?><Response/>',
  }),
  async fetchAttachment(attachment, _channel, context) {
    return await download(context.fetch, attachment.url);
  },
});
