import { createPrivateKey, createSign } from 'node:crypto';
import { type Signer } from '../signer.ts';

/** Keys of the tests alone: the private half by the public one, which is what a channel has. */
const privateKeys: Readonly<Record<string, { x: string; y: string; d: string }>> = {
  'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEGKKVmqtPVXk5LHrrXkoup9ae/S4IboaCdCibql4nxWzUwIbg4BQgk5QxCwC7jnZc/s+KjgcIDJzrwKCbo+C89w==':
    {
      x: 'GKKVmqtPVXk5LHrrXkoup9ae_S4IboaCdCibql4nxWw',
      y: '1MCG4OAUIJOUMQsAu452XP7Pio4HCAyc68Cgm6PgvPc',
      d: 'uoojyzH0V1KsQTfE2Peak5jN60yPeKwKXTKtGXU0a_0',
    },
  'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEjn9sPrVN11qQYR6XfQCikDwDEgiyodftE/IL6cxmtRJWtv8nGPD2QNhB+jt4yAOJTOHldepIgtGoLos/EN6CFQ==':
    {
      x: 'jn9sPrVN11qQYR6XfQCikDwDEgiyodftE_IL6cxmtRI',
      y: 'Vrb_Jxjw9kDYQfo7eMgDiUzh5XXqSILRqC6LPxDeghU',
      d: 'CXkrfdWBiyMjgjQWpWo8Y5PxFK1Hpuylx2dWEpx1r1A',
    },
};
const [first = '', second = ''] = Object.keys(privateKeys);

/** The signature as SendGrid writes it: base64 of DER. */
export function signSendgrid(publicKey: string, timestamp: string, body: string | Uint8Array): string {
  const jwk = { kty: 'EC', crv: 'P-256', ...privateKeys[publicKey] };
  return createSign('sha256')
    .update(timestamp)
    .update(body)
    .sign(createPrivateKey({ key: jwk, format: 'jwk' }), 'base64');
}

export const signer: Signer = {
  // The credentials are in the URL still, and count no more where there is a key.
  secrets: { publicKey: first, credentials: 'postroom:contract one' },
  nextSecrets: { publicKey: second, credentials: 'postroom:contract two' },
  headers: ['x-twilio-email-event-webhook-signature', 'x-twilio-email-event-webhook-timestamp'],
  toleranceSeconds: { early: 300, late: 73 * 3600 },
  covers: 'bytes',
  variants: { basic: { headers: ['authorization'], toleranceSeconds: undefined, covers: 'none' } },
  sign: (fixture, secrets, now) => {
    const timestamp = String(Math.floor(now.getTime() / 1000));
    const isForm = fixture.body === undefined;
    const usual = {
      'content-type': isForm ? 'multipart/form-data; boundary=xYzZY' : 'application/json',
      authorization: `Basic ${Buffer.from(secrets['credentials'] ?? '').toString('base64')}`,
    };
    if (fixture.variant === 'basic') return { method: 'POST', headers: usual, body: fixture.bytes };
    const headers = {
      ...usual,
      'x-twilio-email-event-webhook-signature': signSendgrid(secrets['publicKey'] ?? '', timestamp, fixture.bytes),
      'x-twilio-email-event-webhook-timestamp': timestamp,
    };
    return { method: 'POST', headers, body: fixture.bytes };
  },
  fields: ['event', 'envelope', 'headers', 'from', 'to', 'text', 'dkim', 'charsets', '__proto__'],
};
