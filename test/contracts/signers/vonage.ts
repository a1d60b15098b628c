import { createHash, createHmac } from 'node:crypto';
import { url, type Signer } from '../signer.ts';
import { signHmacToken } from './hmac-token.ts';

export const vonageApplicationId = '78d335fa-323d-0114-9c3d-d6f0d48968cf';

/** The claims of the Messages API's tokens. */
export function vonageClaims(body: string | Uint8Array, now: Date): Record<string, unknown> {
  return {
    iat: Math.floor(now.getTime() / 1000),
    jti: 'c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5',
    iss: 'Vonage',
    payload_hash: createHash('sha256').update(body).digest('hex'),
    api_key: 'a1b2c3d4',
    application_id: vonageApplicationId,
  };
}

/** The SMS API's parameter `sig`, as its documentation has it. */
export function signVonageSms(params: Readonly<Record<string, string>>, secret: string, algorithm: string): string {
  const names = Object.keys(params).toSorted();
  const text = names.map((name) => `&${name}=${(params[name] ?? '').replace(/[&=]/g, '_')}`).join('');
  if (algorithm === 'md5hash') return createHash('md5').update(`${text}${secret}`).digest('hex');
  return createHmac(algorithm, secret).update(text).digest('hex').toUpperCase();
}

export const signer: Signer = {
  secrets: { signatureSecret: 'XsA09z2MhgZh3mYtRqcontractSecretOne' },
  nextSecrets: { signatureSecret: 'XsA09z2MhgZh3mYtRqcontractSecretTwo' },
  headers: ['authorization'],
  toleranceSeconds: 300,
  covers: 'bytes',
  variants: {
    sms: { headers: [], toleranceSeconds: { early: 300, late: 86_400 }, covers: 'fields' },
    get: { headers: [], toleranceSeconds: { early: 300, late: 86_400 }, covers: 'fields' },
  },
  sign: (fixture, secrets, now) => {
    const secret = secrets['signatureSecret'] ?? '';
    const { smsSignature } = fixture.settings;
    if (typeof smsSignature !== 'string') {
      return {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${signHmacToken('HS256', secret, vonageClaims(fixture.bytes, now))}`,
        },
        body: fixture.bytes,
      };
    }
    const params = {
      ...((fixture.form ?? fixture.body) as Record<string, string>),
      timestamp: String(Math.floor(now.getTime() / 1000)),
      nonce: '2b3b8b8a',
    };
    const signed = { ...params, sig: signVonageSms(params, secret, smsSignature) };
    const query = new URLSearchParams(signed).toString();
    if (fixture.variant === 'get') return { method: 'GET', url: `${url}?${query}`, headers: {}, body: '' };
    const isForm = fixture.form !== undefined;
    return {
      method: 'POST',
      headers: { 'content-type': isForm ? 'application/x-www-form-urlencoded' : 'application/json' },
      body: isForm ? query : JSON.stringify(signed),
    };
  },
  fields: [
    'message_uuid',
    'channel',
    'message_type',
    'from',
    'to',
    'timestamp',
    'text',
    'image',
    'url',
    'caption',
    'content',
    'location',
    'lat',
    'reply',
    'button',
    'reaction',
    'order',
    'product_items',
    'context',
    'profile',
    'status',
    'sms',
    'msisdn',
    'messageId',
    'concat-ref',
    'sig',
    '__proto__',
  ],
};
