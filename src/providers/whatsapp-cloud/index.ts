import { z } from 'zod';
import { defineProvider, secretList } from '../../provider.ts';
import { parseWhatsapp } from './parse.ts';
import { shakeWhatsappHand, verifyWhatsapp } from './verify.ts';

/** WhatsApp Cloud API. Source: https://developers.facebook.com/docs/whatsapp/cloud-api/guides/set-up-webhooks */
export const whatsappCloud = defineProvider({
  name: 'whatsapp-cloud',
  kind: 'whatsapp',
  title: 'WhatsApp (Meta Cloud API)',
  secrets: z.strictObject({
    appSecret: secretList('App secret of the Meta app, under App settings, Basic. It signs every request.'),
    verifyToken: secretList('A word of your own choice, entered at Meta as the Verify token beside the callback URL.'),
  }),
  settings: z.strictObject({}),
  setup: {
    steps: [
      'Open https://developers.facebook.com/apps and your app, which needs the product WhatsApp.',
      'App settings, Basic: choose Show beside App secret and copy it into the secret appSecret.',
      'Make up a long random text and put it into the secret verifyToken.',
      'WhatsApp, Configuration, Webhook: enter {ingestUrl} as the Callback URL and the same text as the Verify token, then Verify and save.',
      'Webhook fields: subscribe to messages, and to no more than you need.',
      'Switch the app to Live: in development mode only test events arrive.',
    ],
    address:
      'The business phone number in E.164, such as +15550783881; the phone number ID where Meta sends no number.',
  },
  // Meta posts up to 3 MB.
  maxBodyBytes: 4 * 1024 * 1024,
  methods: ['GET', 'POST'],
  verify: verifyWhatsapp,
  handshake: shakeWhatsappHand,
  parse: parseWhatsapp,
});
