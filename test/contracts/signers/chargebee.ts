import type { Signer } from '../signer.ts';

export const signer: Signer = {
  secrets: { login: 'postroom:first:pässword' },
  nextSecrets: { login: 'postroom:second-password' },
  headers: ['authorization'],
  covers: 'none',
  sign: (fixture, secrets) => ({
    method: 'POST',
    headers: {
      'content-type': 'application/json;charset=UTF-8',
      'user-agent': 'ChargeBee',
      authorization: `Basic ${Buffer.from(secrets['login'] ?? '').toString('base64')}`,
    },
    body: fixture.bytes,
  }),
  fields: [
    'id',
    'object',
    'event_type',
    'occurred_at',
    'content',
    'customer',
    'customer_id',
    'subscription',
    'invoice',
    'first_name',
    'company',
    'email',
    '__proto__',
  ],
};
