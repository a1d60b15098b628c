import { type Signer } from '../signer.ts';
import { ownBodyFields } from '../own-body-fields.ts';

export const signer: Signer = {
  secrets: { credentials: 'postroom:contract:päss one' },
  nextSecrets: { credentials: 'postroom:contract:päss two' },
  headers: ['authorization'],
  covers: 'none',
  variants: { BASIC: {} },
  sign: (fixture, secrets) => {
    const pair = Buffer.from(secrets['credentials'] ?? '').toString('base64');
    return {
      method: 'POST',
      headers: {
        'content-type': fixture.form ? 'application/x-www-form-urlencoded' : 'application/json',
        authorization: `${fixture.variant ?? 'Basic'} ${pair}`,
      },
      body: fixture.bytes,
    };
  },
  fields: ownBodyFields,
};
