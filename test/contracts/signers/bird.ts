import { createHash } from 'node:crypto';
import { hmacBase64, url, type Signer } from '../signer.ts';

/** Bird's signature, as its documentation has it. */
export function signBird(key: string, timestamp: string, target: string, body: string | Uint8Array): string {
  const hash = createHash('sha256').update(body).digest();
  return hmacBase64('sha256', key, `${timestamp}\n${target}\n`, hash);
}

export const signer: Signer = {
  secrets: { signingKey: 'contract-signing-key-one' },
  nextSecrets: { signingKey: 'contract-signing-key-two' },
  headers: ['messagebird-signature', 'messagebird-request-timestamp'],
  toleranceSeconds: { early: 300, late: 86_400 },
  covers: 'bytes',
  sign: (fixture, secrets, now) => {
    const timestamp = String(Math.floor(now.getTime() / 1000));
    return {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'messagebird-signature': signBird(secrets['signingKey'] ?? '', timestamp, url, fixture.bytes),
        'messagebird-request-timestamp': timestamp,
        'messagebird-request-id': 'c2a1b0f8-5f0c-4f0e-9a4e-0d5d7f3a9b11',
      },
      body: fixture.bytes,
    };
  },
  fields: [
    'service',
    'event',
    'payload',
    'id',
    'channelId',
    'sender',
    'contact',
    'identifierValue',
    'annotations',
    'receiver',
    'connector',
    'body',
    'type',
    'text',
    'image',
    'images',
    'mediaUrl',
    'file',
    'files',
    'html',
    'location',
    'coordinates',
    'latitude',
    'parts',
    'direction',
    'createdAt',
    '__proto__',
  ],
};
