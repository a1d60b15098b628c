import { webhookHeaders } from '../../../src/lib/standard-webhooks.ts';
import { type Signer } from '../signer.ts';
import { webhookSecrets } from '../webhook-secrets.ts';

/** Standard Webhooks under the names of Svix, which Resend sends. */
export const signer: Signer = {
  ...webhookSecrets,
  secrets: { signingSecret: webhookSecrets.secrets.secret },
  nextSecrets: { signingSecret: webhookSecrets.nextSecrets.secret },
  headers: ['svix-id', 'svix-timestamp', 'svix-signature'],
  sign: (fixture, secrets, now) => {
    const seconds = Math.floor(now.getTime() / 1000);
    const signed = webhookHeaders([secrets['signingSecret'] ?? ''], `msg_${fixture.name}`, seconds, fixture.bytes);
    const named = Object.entries(signed).map(([name, value]) => [name.replace('webhook-', 'svix-'), value]);
    return {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...Object.fromEntries(named) },
      body: fixture.bytes,
    };
  },
  fields: [
    'type',
    'data',
    'email_id',
    'created_at',
    'from',
    'to',
    'cc',
    'bcc',
    'received_for',
    'message_id',
    'subject',
    'attachments',
    'id',
    'filename',
    'content_type',
    '__proto__',
  ],
};
