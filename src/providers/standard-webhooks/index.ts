import { z } from 'zod';
import { defineProvider } from '../../provider.ts';
import { jsonMessageSettings } from '../kit/json-message/settings.ts';
import { webhookSecretList } from '../kit/verify/standard-webhooks.ts';
import { parseStandardWebhook } from './parse.ts';
import { verifyChannel } from './verify.ts';

/** Any JSON that is signed by Standard Webhooks or Svix. Source: https://www.standardwebhooks.com */
export const standardWebhooks = defineProvider({
  name: 'standard-webhooks',
  kind: 'webhook',
  title: 'Standard Webhooks and Svix (any JSON)',
  secrets: z.strictObject({
    secret: webhookSecretList(
      'The signing secret: whsec_… for v1 signatures (HMAC), or the public key whpk_… for v1a (Ed25519).',
    ),
  }),
  settings: jsonMessageSettings,
  setup: {
    steps: [
      'In the system that sends webhooks (with Svix: Endpoints, Add Endpoint), enter {ingestUrl} as the URL.',
      'Copy the signing secret that it shows (whsec_…, or the public key whpk_…) into the secret secret.',
      'Set the JSON pointers sender, text, id, thread, displayName, recipient and sentAt where its payload differs from the defaults.',
      'Switch vouched off where the sending system passes on what anybody may claim to be.',
      'Send a test event and look at the message that came of it.',
    ],
    address: 'The value at the pointer recipient, such as orders; none is needed where the payload names no recipient.',
  },
  verify: verifyChannel,
  parse: parseStandardWebhook,
});
