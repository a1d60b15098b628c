import { type Signer } from '../signer.ts';
import { ownBodyFields } from '../own-body-fields.ts';

export const signer: Signer = {
  secrets: {},
  nextSecrets: {},
  headers: [],
  covers: 'none',
  clientAddress: '192.0.2.44',
  sign: (fixture) => ({
    method: 'POST',
    headers: { 'content-type': fixture.form ? 'application/x-www-form-urlencoded' : 'application/json' },
    body: fixture.bytes,
  }),
  fields: ownBodyFields,
};
