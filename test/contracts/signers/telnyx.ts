import { createPrivateKey, sign } from 'node:crypto';
import { type Signer } from '../signer.ts';

/** Two key pairs of these tests alone: the public half, and both. */
const pairs = [
  { x: 'UxI6MH5Kn5-TC0CGERxQhGwh_wR4B-sIJrqVXBKYEgQ', d: '8RpCMC1HLwCLl3OR7zDqcvSkE0yL4PXSvdKHahBD9-8' },
  { x: 'tZbFwPwQtFQ0DDZbFolYdVOXa4-0EmaRgtaKPoHaM9o', d: 'RofN9PXsr17jKRMdqntgZGPXDhJ4lAnNrsJXnnVWg9w' },
];

const [one, two] = pairs;
if (!one || !two) throw new Error('no keys');

export const signer: Signer = {
  secrets: { publicKey: publicKeyOf(one) },
  nextSecrets: { publicKey: publicKeyOf(two) },
  headers: ['telnyx-signature-ed25519', 'telnyx-timestamp'],
  toleranceSeconds: 300,
  covers: 'bytes',
  sign: (fixture, secrets, now) => {
    const timestamp = String(Math.floor(now.getTime() / 1000));
    const pair = pairs.find((each) => publicKeyOf(each) === secrets['publicKey']);
    if (!pair) throw new Error('nobody has the private key');
    const key = createPrivateKey({ key: { kty: 'OKP', crv: 'Ed25519', ...pair }, format: 'jwk' });
    const signature = sign(null, Buffer.concat([Buffer.from(`${timestamp}|`), fixture.bytes]), key);
    return {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'telnyx-signature-ed25519': signature.toString('base64'),
        'telnyx-timestamp': timestamp,
      },
      body: fixture.bytes,
    };
  },
  fields: [
    'data',
    'id',
    'event_type',
    'occurred_at',
    'payload',
    'direction',
    'type',
    'text',
    'subject',
    'body',
    'from',
    'to',
    'cc',
    'phone_number',
    'agent_id',
    'status',
    'media',
    'url',
    'content_type',
    'size',
    'received_at',
    'user_file',
    'location',
    'interactive',
    'reaction',
    'emoji',
    '__proto__',
  ],
};

/** As Mission Control shows it: standard base64, where a JWK has base64url. */
function publicKeyOf(pair: { x: string }): string {
  return Buffer.from(pair.x, 'base64url').toString('base64');
}
