import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/**
 * Secrets at rest: AES-256-GCM. `context` is authenticated, not stored: a sealed text that is moved
 * to another row (another tenant's channel, say) does not open there.
 */
export interface Sealer {
  seal(plain: string, context: string): string;
  /** Throws where the key, the context or a single bit is not the one it was sealed with. */
  open(sealed: string, context: string): string;
  /** A signature that only this key makes, for what goes out and comes back: 43 characters, base64url. */
  sign(text: string): string;
  /** Whether `sign` made it, in constant time. */
  isSigned(text: string, signature: string): boolean;
}

/**
 * @param key 32 bytes, base64.
 * @throws TypeError where the key is not 32 bytes.
 */
export function createSealer(key: string): Sealer {
  const bytes = Buffer.from(key, 'base64');
  if (bytes.length !== 32) throw new TypeError('the secret key must be 32 bytes, base64');
  // Names the key inside the sealed text, so that a text sealed with another key says so.
  // Another key than the one that seals: what is shown to others says nothing about it.
  const signingKey = createHmac('sha256', bytes).update('postroom signatures').digest();
  const sign = (text: string): string => createHmac('sha256', signingKey).update(text).digest('base64url');
  const keyId = createHash('sha256').update(bytes).digest('base64url').slice(0, 8);

  return {
    sign,
    isSigned(text, signature) {
      const expected = Buffer.from(sign(text));
      const given = Buffer.from(signature);
      return given.length === expected.length && timingSafeEqual(given, expected);
    },
    seal(plain, context) {
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', bytes, iv).setAAD(Buffer.from(context));
      const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
      return ['s1', keyId, iv.toString('base64url'), body.toString('base64url')].join('.');
    },
    open(sealed, context) {
      const [version, sealedKeyId, iv, body] = sealed.split('.');
      if (version !== 's1' || !iv || !body) throw new Error('not a sealed secret');
      if (sealedKeyId !== keyId) throw new Error('sealed with another POSTROOM_SECRET_KEY');
      const data = Buffer.from(body, 'base64url');
      const decipher = createDecipheriv('aes-256-gcm', bytes, Buffer.from(iv, 'base64url'))
        .setAAD(Buffer.from(context))
        .setAuthTag(data.subarray(-16));
      return Buffer.concat([decipher.update(data.subarray(0, -16)), decipher.final()]).toString('utf8');
    },
  };
}

/** A fresh key for `createSealer`: 32 random bytes, base64. */
export function newSealingKey(): string {
  return randomBytes(32).toString('base64');
}
