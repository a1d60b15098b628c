import { z } from 'zod';
import { defineProvider, optionalSecretList, secretList } from '../../provider.ts';
import { defaultGraphVersion, fetchWhatsappMedia } from './media.ts';
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
    accessToken: optionalSecretList(
      "A system user's access token with the permission whatsapp_business_messaging; files are fetched with it. Messages need none.",
    ),
  }),
  settings: z.strictObject({
    graphVersion: z
      .string()
      .regex(/^v\d{1,3}\.\d{1,2}$/, 'a version of the Graph API, such as v25.0')
      .optional()
      .describe(`The version of the Graph API that files are looked up with; ${defaultGraphVersion} where absent.`),
  }),
  setup: {
    steps: [
      'Open https://developers.facebook.com/apps and your app, which needs the product WhatsApp.',
      'App settings, Basic: choose Show beside App secret and copy it into the secret appSecret.',
      'Make up a long random text and put it into the secret verifyToken.',
      'WhatsApp, Configuration, Webhook: enter {ingestUrl} as the Callback URL and the same text as the Verify token, then Verify and save.',
      'Webhook fields: subscribe to messages, and to no more than you need.',
      'Switch the app to Live: in development mode only test events arrive.',
      'Where files are wanted: Business settings, Users, System users, Generate token with whatsapp_business_messaging; it is the secret accessToken.',
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
  fetchAttachment: fetchWhatsappMedia,
});
