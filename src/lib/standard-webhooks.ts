import { createHmac, createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import { ed25519Key } from './ed25519.ts';

/**
 * The Standard Webhooks scheme, for what we send and for the providers that use it. The official
 * SDK converts a body to text before it signs, so it cannot sign binary bodies; the specification
 * means the raw bytes. Tests cross-check this file with the SDK.
 * Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** A fresh `whsec_…` secret: 32 random bytes, base64. */
export function newWebhookSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}

/** The key bytes of a secret; the `whsec_` prefix is optional. Undefined where it is not base64. */
export function webhookKey(secret: string): Uint8Array | undefined {
  const text = secret.startsWith('whsec_') ? secret.slice(6) : secret;
  return text !== '' && base64.test(text) ? Buffer.from(text, 'base64') : undefined;
}

/** The Ed25519 key of a `whpk_…` secret, which verifies `v1a` signatures. Undefined for others. */
export function webhookPublicKey(secret: string): KeyObject | undefined {
  if (!secret.startsWith('whpk_') || !base64.test(secret.slice(5))) return undefined;
  return ed25519Key(Buffer.from(secret.slice(5), 'base64'));
}

/** HMAC-SHA256 over `id.timestamp.body`: the bytes behind `v1,`. */
export function webhookMac(
  key: Uint8Array,
  id: string | Uint8Array,
  timestamp: string,
  body: string | Uint8Array,
): Uint8Array {
  // As a key object: raw bytes take createHmac three times as long on Node 24 (13 µs, 4.5 µs).
  return createHmac('sha256', createSecretKey(key)).update(id).update(`.${timestamp}.`).update(body).digest();
}

/** The three headers that sign `body`. `timestamp` is in whole seconds since 1970. */
export function webhookHeaders(
  secrets: readonly string[],
  id: string,
  timestamp: number,
  body: string | Uint8Array,
): Record<string, string> {
  const signatures = secrets.map((secret) => {
    const key = webhookKey(secret);
    if (!key) throw new TypeError('a webhook secret is base64, with or without the prefix whsec_');
    return `v1,${Buffer.from(webhookMac(key, id, String(timestamp), body)).toString('base64')}`;
  });
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signatures.join(' '),
  };
}
