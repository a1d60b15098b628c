import { z } from 'zod';
import { defineProvider, optionalSecretList, secretList } from '../../provider.ts';
import { fetchVonageFile } from './media.ts';
import { parseVonage } from './parse.ts';
import { smsAlgorithms } from './sms-signature.ts';
import { verifyVonage } from './verify.ts';

/** Vonage's Messages API and SMS API. Source: https://developer.vonage.com/en/messages/overview */
export const vonage = defineProvider({
  name: 'vonage',
  kind: 'sms',
  title: 'Vonage (SMS, MMS, RCS, WhatsApp, Viber, Messenger)',
  secrets: z.strictObject({
    signatureSecret: secretList(
      "The account's Signature secret, under API settings. It signs every webhook; it is not the API secret.",
    ),
    privateKey: optionalSecretList(
      "The application's private key (the whole private.key file), for files where Secure Inbound Media is on. Messages need none.",
    ),
  }),
  settings: z.strictObject({
    applicationId: z
      .string()
      .trim()
      .min(1)
      .optional()
      .describe('The application whose messages are taken; all applications of an account have one signature secret.'),
    smsSignature: z
      .enum(smsAlgorithms)
      .optional()
      .describe(
        'For the SMS API: the Signature method of the account (md5hash is MD5 hash, the others are HMAC). Without it only the Messages API is taken.',
      ),
  }),
  setup: {
    steps: [
      'Vonage Dashboard, API Settings: copy the Signature secret into the secret signatureSecret.',
      'Applications, your application, Edit: switch Messages on and enter {ingestUrl} as the Inbound URL, version v1; the Status URL may be any other.',
      'Copy the Application ID into the setting applicationId, then link your numbers or social channels to the application.',
      'API Settings, SMS settings: choose Messages API as the default for SMS.',
      'To stay with the SMS API: enter {ingestUrl} under Inbound SMS webhooks, have Vonage switch signed webhooks on, and set smsSignature to the Signature method shown there.',
    ],
    address: 'The number in E.164, such as +15550100200; for Messenger the page, such as messenger:107083064136738.',
  },
  methods: ['POST', 'GET'],
  verify: verifyVonage,
  parse: parseVonage,
  fetchAttachment: fetchVonageFile,
});
