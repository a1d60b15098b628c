import { createPublicKey, type KeyObject } from 'node:crypto';

/** An Ed25519 public key out of its 32 bytes; undefined where there are more or fewer. */
export function ed25519Key(bytes: Uint8Array): KeyObject | undefined {
  if (bytes.byteLength !== 32) return undefined;
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(bytes).toString('base64url') };
  return createPublicKey({ key: jwk, format: 'jwk' });
}
