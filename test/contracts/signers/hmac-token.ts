import { hmacBase64 } from '../signer.ts';

/** A JWT that is signed with a shared secret, made without the library that checks it. */
export function signHmacToken(
  algorithm: 'HS256' | 'HS384' | 'HS512',
  secret: string,
  claims: Readonly<Record<string, unknown>>,
): string {
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${encode({ alg: algorithm, typ: 'JWT' })}.${encode(claims)}`;
  const mac = Buffer.from(hmacBase64(algorithm.replace('HS', 'sha'), secret, signed), 'base64');
  return `${signed}.${mac.toString('base64url')}`;
}
