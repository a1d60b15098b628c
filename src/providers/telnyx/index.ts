import { z } from 'zod';
import { defineProvider } from '../../provider.ts';
import { download } from '../kit/files/download.ts';
import { parseTelnyx } from './parse.ts';
import { publicKeyList, verifyTelnyx } from './verify.ts';

/** Telnyx Messaging, API v2. Source: https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks */
export const telnyx = defineProvider({
  name: 'telnyx',
  kind: 'sms',
  title: 'Telnyx (SMS, MMS, RCS and WhatsApp)',
  secrets: z.strictObject({
    publicKey: publicKeyList(
      "The account's public key, 44 characters of base64. After it was generated anew, list both until nothing signed with the old one is under way.",
    ),
  }),
  settings: z.strictObject({}),
  setup: {
    steps: [
      'Mission Control Portal, Account Settings, Keys & Credentials, Public Key: copy it into the secret publicKey.',
      'Messaging, Programmable Messaging: open the messaging profile, and under Inbound enter {ingestUrl} as the webhook URL with API version 2, then Save.',
      'Numbers, My Numbers: give the number that messaging profile.',
    ],
    address: 'The phone number in E.164, such as +18445550001; a short code as it is; of an RCS agent the agent id.',
  },
  verify: verifyTelnyx,
  parse: parseTelnyx,
  async fetchAttachment(attachment, _channel, context) {
    return await download(context.fetch, attachment.url);
  },
});
