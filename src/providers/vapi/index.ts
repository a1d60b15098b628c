import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { defineProvider, secretList } from '../../provider.ts';
import { download } from '../kit/files/download.ts';
import { answerVapi } from './answer.ts';
import { parseVapi } from './parse.ts';
import { vapiSettings } from './settings.ts';
import { verifyVapi } from './verify.ts';

/** Vapi's server messages about voice calls. Source: https://docs.vapi.ai/server-url/events */
export const vapi = defineProvider({
  name: 'vapi',
  kind: 'voice',
  title: 'Vapi (voice calls)',
  secrets: z.strictObject({
    secret: secretList(
      "The Secret Key or Token of the custom credential at Vapi, or the older server's secret. While changing it, list both.",
    ),
  }),
  settings: vapiSettings,
  setup: {
    steps: [
      'Vapi dashboard, Integrations, Server Configuration: choose Add Custom Credential.',
      'Authentication Type HMAC with the secret as its Secret Key, algorithm SHA256, headers x-signature and x-timestamp; or Bearer Token with the secret as its Token. HMAC is better: it signs the body.',
      'Assistants, your assistant, Advanced, Messaging: enter {ingestUrl} as the Server URL, choose the credential, and under Server Messages leave end-of-call-report alone.',
      'Phone Numbers, your number: choose the assistant. Without one Vapi asks the Server URL which to use, and Postroom cannot tell.',
      'Recordings: Artifacts, Audio Recording of the assistant.',
    ],
    address:
      "Our phone number in E.164, such as +15550783881; for web calls the assistant's id, such as 5b1f8a04-5a0e-4b5f-8b0e-3f1d8f1f6a11.",
  },
  // A report holds the whole assistant and every turn of the call.
  maxBodyBytes: 8 * 1024 * 1024,
  credentialHeaders: ['authorization', 'x-vapi-secret'],
  newSecret: () => randomBytes(32).toString('base64url'),
  verify: verifyVapi,
  parse: parseVapi,
  acknowledge: answerVapi,
  async fetchAttachment(attachment, _channel, context) {
    return await download(context.fetch, attachment.url);
  },
});
