import { hmacHex, type Signer } from '../signer.ts';

export const signer: Signer = {
  secrets: { signingSecret: 'whsec_postroom-contract-secret-one' },
  nextSecrets: { signingSecret: 'whsec_postroom-contract-secret-two' },
  headers: ['stripe-signature'],
  toleranceSeconds: 300,
  covers: 'bytes',
  sign: (fixture, secrets, now) => {
    const time = Math.floor(now.getTime() / 1000);
    const mac = hmacHex('sha256', secrets['signingSecret'] ?? '', `${time}.`, fixture.bytes);
    const other = hmacHex('sha256', 'whsec_rolled', `${time}.`, fixture.bytes);
    const entries = fixture.variant === 'rolled' ? `v1=${other},v1=${mac},v0=${other}` : `v1=${mac}`;
    const headers = {
      'content-type': 'application/json; charset=utf-8',
      'stripe-signature': `t=${time},${entries}`,
    };
    return { method: 'POST', headers, body: fixture.bytes };
  },
  fields: [
    'id',
    'object',
    'type',
    'created',
    'livemode',
    'account',
    'context',
    'data',
    'related_object',
    'previous_attributes',
    'customer',
    'customer_details',
    'name',
    'request',
    '__proto__',
  ],
};
