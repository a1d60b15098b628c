import { verify as verifyEd25519 } from 'node:crypto';
import type { z } from 'zod';
import { ed25519Key } from '../../lib/ed25519.ts';
import { secretList, type ProviderChannel, type Verdict, type WebhookRequest } from '../../provider.ts';
import { accepted, decodeBase64, refused, soleHeader } from '../kit/signature.ts';
import { checkTimestamp } from '../kit/verify/timestamp.ts';

/** Seconds, inclusive, in both directions, as Telnyx's SDK has it. */
const toleranceSeconds = 300;

type Channel = ProviderChannel<{ publicKey: string[] }, Record<string, unknown>>;

/** Like `secretList`, and each must be a key that can be verified with. */
export function publicKeyList(description: string): z.ZodType<string[], string | string[]> {
  return secretList(description).refine(
    (keys) => keys.every((key) => publicKeyOf(key)),
    'a public key is the base64 of 32 bytes, as Mission Control shows it',
  );
}

function publicKeyOf(text: string) {
  const bytes = decodeBase64(text);
  return bytes && ed25519Key(bytes);
}

/** `telnyx-signature-ed25519`, the base64 of an Ed25519 signature over `timestamp|body`. */
export function verifyTelnyx(request: WebhookRequest, channel: Channel, context: { now: Date }): Verdict {
  const signature = soleHeader(request.headers, 'telnyx-signature-ed25519', 'missing_signature');
  if ('refusal' in signature) return signature.refusal;
  const timestamp = soleHeader(request.headers, 'telnyx-timestamp', 'missing_timestamp');
  if ('refusal' in timestamp) return timestamp.refusal;
  const fresh = checkTimestamp(timestamp.value, context.now, toleranceSeconds);
  if (!fresh.ok) return fresh;

  const given = decodeBase64(signature.value);
  if (given?.byteLength !== 64) return refused('bad_signature');
  const signed = Buffer.concat([Buffer.from(`${timestamp.value}|`), request.body]);
  const matches = channel.secrets.publicKey.some((text) => {
    const key = publicKeyOf(text);
    return key !== undefined && verifyEd25519(null, signed, key, given);
  });
  return matches ? accepted : refused('bad_signature');
}
