import { createHash, createHmac } from 'node:crypto';
import type { Verdict, WebhookRequest } from '../../provider.ts';
import { accepted, decodeHex, equalBytes, refused } from '../kit/signature.ts';
import { checkTimestamp } from '../kit/verify/timestamp.ts';
import { readParams } from './fields.ts';

/**
 * The signed webhooks of the SMS API: the parameter `sig` over all others.
 * Source: https://developer.vonage.com/en/getting-started/concepts/signing-messages and
 * Vonage/vonage-node-sdk, packages/sms/lib/sms.ts.
 */

/** What the account's settings call "MD5 hash", "MD5 HMAC" and so on. */
export const smsAlgorithms = ['md5hash', 'md5', 'sha1', 'sha256', 'sha512'] as const;
export type SmsAlgorithm = (typeof smsAlgorithms)[number];

/** Seconds. The time is of the first attempt, and Vonage repeats an SMS for a day. */
const tolerance = { early: 300, late: 86_400 };

/** Whether a request carries such a signature. */
export function hasSmsSignature(request: WebhookRequest): boolean {
  return readParams(request)?.has('sig') ?? false;
}

/** Checks `sig`, which is hex in either case, and the `timestamp` that it covers. */
export function verifySms(
  request: WebhookRequest,
  secrets: readonly string[],
  algorithm: SmsAlgorithm,
  now: Date,
): Verdict {
  const params = readParams(request);
  if (!params) return refused('bad_body');
  const sig = params.get('sig');
  if (!sig) return refused('missing_signature');
  const timestamp = params.get('timestamp');
  if (!timestamp) return refused('missing_timestamp');
  const fresh = checkTimestamp(timestamp, now, tolerance);
  if (!fresh.ok) return fresh;
  const signed = signedText(params);
  const matches = secrets.some((secret) => {
    const expected = digest(algorithm, signed, secret);
    const given = decodeHex(sig, expected.byteLength);
    return given !== undefined && equalBytes(given, expected);
  });
  return matches ? accepted : refused('bad_signature');
}

/** `&name=value` for each parameter in the order of the names; `&` and `=` in a value become `_`. */
function signedText(params: ReadonlyMap<string, string>): string {
  return [...params]
    .filter(([name]) => name !== 'sig')
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `&${name}=${value.replace(/[&=]/g, '_')}`)
    .join('');
}

function digest(algorithm: SmsAlgorithm, signed: string, secret: string): Uint8Array {
  return algorithm === 'md5hash'
    ? createHash('md5').update(`${signed}${secret}`).digest()
    : createHmac(algorithm, secret).update(signed).digest();
}
