import { createPrivateKey, sign, type KeyObject } from 'node:crypto';
import { type Signer } from '../signer.ts';

/** The keys of tests 1 and 2 of RFC 8032, section 7.1: the private one by the public one. */
const privateKeys: Readonly<Record<string, string>> = {
  d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a:
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
  '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c':
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
};
const [publicKey = '', nextPublicKey = ''] = Object.keys(privateKeys);

export const signer: Signer = {
  secrets: { publicKey },
  nextSecrets: { publicKey: nextPublicKey },
  headers: ['x-signature-ed25519', 'x-signature-timestamp'],
  toleranceSeconds: 300,
  covers: 'bytes',
  sign: (fixture, secrets, now) => {
    const timestamp = String(Math.floor(now.getTime() / 1000));
    const signed = Buffer.concat([Buffer.from(timestamp), fixture.bytes]);
    return {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-signature-ed25519': sign(null, signed, keyOf(secrets['publicKey'] ?? '')).toString('hex'),
        'x-signature-timestamp': timestamp,
      },
      body: fixture.bytes,
    };
  },
  fields: [
    'id',
    'type',
    'application_id',
    'data',
    'member',
    'user',
    'author',
    'guild_id',
    'channel_id',
    'channel',
    'token',
    'message',
    'event',
    'name',
    'options',
    'value',
    'values',
    'custom_id',
    'components',
    'component',
    'resolved',
    'attachments',
    'messages',
    'target_id',
    'url',
    'size',
    'content',
    '__proto__',
  ],
};

function keyOf(hex: string): KeyObject {
  const [x = '', d = ''] = [hex, privateKeys[hex] ?? ''].map((text) => Buffer.from(text, 'hex').toString('base64url'));
  return createPrivateKey({ key: { kty: 'OKP', crv: 'Ed25519', x, d }, format: 'jwk' });
}
