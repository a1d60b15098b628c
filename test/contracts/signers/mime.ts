import { signStandardWebhook } from '../../../demo/sign.ts';
import { webhookSecrets } from '../webhook-secrets.ts';
import { type Signer } from '../signer.ts';

export const signer: Signer = {
  ...webhookSecrets,
  sign: (fixture, secrets, now) =>
    signStandardWebhook({
      secret: secrets['secret'] ?? '',
      id: `msg_${fixture.name}`,
      body: fixture.bytes,
      contentType: 'message/rfc822',
      now,
    }),
  fields: ['From', 'To', 'Subject', 'Date', 'Message-ID', 'References', 'Content-Type'],
};
