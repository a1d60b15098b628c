import { signStandardWebhook } from '../../../demo/sign.ts';
import { webhookSecrets } from '../webhook-secrets.ts';
import { type Signer } from '../signer.ts';

export const signer: Signer = {
  ...webhookSecrets,
  sign: (fixture, secrets, now) =>
    signStandardWebhook({
      secret: secrets['secret'] ?? '',
      id: `msg_${fixture.name}`,
      body: new TextDecoder().decode(fixture.bytes),
      now,
    }),
  fields: [
    'sender',
    'from',
    'data',
    'text',
    'message',
    'id',
    'thread',
    'timestamp',
    'recipient',
    'to',
    'displayName',
    'type',
    '__proto__',
    'constructor',
  ],
};
