import { verify as verifyEd25519 } from 'node:crypto';
import type { z } from 'zod';
import { webhookKey, webhookMac, webhookPublicKey } from '../../../lib/standard-webhooks.ts';
import { secretList, type Verdict, type WebhookRequest } from '../../../provider.ts';
import { accepted, decodeBase64, equalBytes, refused, soleHeader } from '../signature.ts';
import { checkTimestamp } from './timestamp.ts';

/** The part of the signature kit that the providers signed by Standard Webhooks share. */

/** Seconds, inclusive, in both directions, as the specification has it. */
const toleranceSeconds = 300;

/** Senders put one signature per live secret; this many bounds the work a stranger can cause. */
const maxSignatures = 32;

/** Like `secretList`, and each secret must be one that this scheme can use. */
export function webhookSecretList(description: string): z.ZodType<string[], string | string[]> {
  return secretList(description).refine(
    (secrets) => secrets.every((secret) => webhookKey(secret) ?? webhookPublicKey(secret)),
    'a secret is whsec_ and base64, or whpk_ and the base64 of a 32-byte Ed25519 key',
  );
}

/** The `webhook-id` (or `svix-id`) of a request, exactly as received; null where there is none. */
export function webhookId(headers: Headers): string | null {
  return headers.get(`${headerPrefix(headers)}-id`);
}

/** Svix sends its own header names, or both sets; one set is used as a whole, never mixed. */
function headerPrefix(headers: Headers): string {
  return !headers.has('webhook-signature') && headers.has('svix-signature') ? 'svix' : 'webhook';
}

/**
 * Checks `v1` (HMAC-SHA256, `whsec_` secrets) and `v1a` (Ed25519, `whpk_` secrets) signatures over
 * `id.timestamp.body` on the raw bytes. One match is enough; unknown versions are skipped.
 */
export function verifyStandardWebhook(request: WebhookRequest, secrets: readonly string[], now: Date): Verdict {
  const prefix = headerPrefix(request.headers);
  const signature = soleHeader(request.headers, `${prefix}-signature`, 'missing_signature');
  if ('refusal' in signature) return signature.refusal;
  const id = soleHeader(request.headers, `${prefix}-id`, 'missing_id');
  if ('refusal' in id) return id.refusal;
  const timestamp = soleHeader(request.headers, `${prefix}-timestamp`, 'missing_timestamp');
  if ('refusal' in timestamp) return timestamp.refusal;
  const fresh = checkTimestamp(timestamp.value, now, toleranceSeconds);
  if (!fresh.ok) return fresh;

  const idBytes = Buffer.from(id.value, 'latin1');
  // A header's characters are its bytes. Where a runtime decodes them, two ids could share bytes.
  if (idBytes.toString('latin1') !== id.value) return refused('bad_signature');
  const entries = signature.value.split(' ');
  if (entries.length > maxSignatures) return refused('bad_signature');
  const macs = signaturesOf('v1', entries, 32);
  const ed25519 = signaturesOf('v1a', entries, 64);
  const { body } = request;
  const matches = secrets.some((secret) => {
    const key = webhookKey(secret);
    if (key) {
      if (macs.length === 0) return false;
      const expected = webhookMac(key, idBytes, timestamp.value, body);
      return macs.some((mac) => equalBytes(mac, expected));
    }
    const publicKey = ed25519.length > 0 ? webhookPublicKey(secret) : undefined;
    if (!publicKey) return false;
    const signed = Buffer.concat([idBytes, Buffer.from(`.${timestamp.value}.`), body]);
    return ed25519.some((bytes) => verifyEd25519(null, signed, publicKey, bytes));
  });
  return matches ? accepted : refused('bad_signature');
}

/** The signatures of one version that are strict base64 of the right length. */
function signaturesOf(version: string, entries: readonly string[], length: number): Uint8Array[] {
  return entries.flatMap((entry) => {
    if (!entry.startsWith(`${version},`)) return [];
    const bytes = decodeBase64(entry.slice(version.length + 1));
    return bytes?.byteLength === length ? [bytes] : [];
  });
}
