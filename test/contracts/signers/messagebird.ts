import { createHash } from 'node:crypto';
import { url, type Signer } from '../signer.ts';
import { signHmacToken } from './hmac-token.ts';

/** The claims of MessageBird's tokens; without a body there is none for it. */
export function messagebirdClaims(target: string, body: string | Uint8Array, now: Date): Record<string, unknown> {
  const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');
  const time = Math.floor(now.getTime() / 1000);
  return {
    iss: 'MessageBird',
    nbf: time,
    exp: time + 60,
    jti: '59a244dc-e9ad-4e23-9778-371faa238f72',
    url_hash: sha256(target),
    ...(body.length === 0 ? {} : { payload_hash: sha256(body) }),
  };
}

export const signer: Signer = {
  secrets: { signingKey: '36efdd1aace2e26cd490f0d951138253bef2f7c6d34d18981da781555cc4cebb' },
  nextSecrets: { signingKey: 'PlLrKaqvZNRR5zAjm42ZT6q1SQxgbbGd' },
  headers: ['messagebird-signature-jwt'],
  // Of the minute that a token lives, and five seconds at both ends.
  toleranceSeconds: { early: 5, late: 64 },
  covers: 'bytes',
  variants: { get: {} },
  sign: (fixture, secrets, now) => {
    const isGet = fixture.variant === 'get';
    const target = isGet ? `${url}?${new TextDecoder().decode(fixture.bytes)}` : url;
    const body = isGet ? new Uint8Array() : fixture.bytes;
    const token = signHmacToken('HS256', secrets['signingKey'] ?? '', messagebirdClaims(target, body, now));
    const contentType = fixture.form ? 'application/x-www-form-urlencoded' : 'application/json';
    return {
      method: isGet ? 'GET' : 'POST',
      url: target,
      headers: { 'content-type': contentType, 'messagebird-signature-jwt': token },
      body,
    };
  },
  fields: [
    'type',
    'contact',
    'conversation',
    'message',
    'id',
    'platform',
    'from',
    'to',
    'direction',
    'content',
    'text',
    'image',
    'url',
    'location',
    'latitude',
    'email',
    'interactive',
    'reply',
    'originator',
    'recipient',
    'body',
    'payload',
    'status',
    'statusDatetime',
    '__proto__',
  ],
};
