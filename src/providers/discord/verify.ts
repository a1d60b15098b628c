import { verify } from 'node:crypto';
import { ed25519Key } from '../../lib/ed25519.ts';
import type { ProviderChannel, Verdict, WebhookRequest } from '../../provider.ts';
import { accepted, decodeHex, refused, soleHeader } from '../kit/signature.ts';
import { checkTimestamp } from '../kit/verify/timestamp.ts';

/** Seconds. Discord names no limit, and its SDK does not look at the time at all. */
const toleranceSeconds = 300;

const openingBrace = 0x7b;

type Channel = ProviderChannel<{ publicKey: string[] }, Record<string, unknown>>;

/**
 * `X-Signature-Ed25519` over `X-Signature-Timestamp` and the raw body.
 * Source: https://discord.com/developers/docs/interactions/overview#setting-up-an-endpoint
 */
export function verifyDiscord(request: WebhookRequest, channel: Channel, context: { now: Date }): Verdict {
  const signature = soleHeader(request.headers, 'x-signature-ed25519', 'missing_signature');
  if ('refusal' in signature) return signature.refusal;
  const timestamp = soleHeader(request.headers, 'x-signature-timestamp', 'missing_timestamp');
  if ('refusal' in timestamp) return timestamp.refusal;
  const fresh = checkTimestamp(timestamp.value, context.now, toleranceSeconds);
  if (!fresh.ok) return fresh;
  // Nothing separates the two in what is signed. A body of digits could lend some to the time.
  if (request.body[0] !== openingBrace) return refused('bad_body');

  // Discord writes lower-case hex; anything else did not come from Discord.
  const given = /^[0-9a-f]+$/.test(signature.value) ? decodeHex(signature.value, 64) : undefined;
  if (!given) return refused('bad_signature');
  const signed = Buffer.concat([Buffer.from(timestamp.value), request.body]);
  const matches = channel.secrets.publicKey.some((hex) => {
    const key = ed25519Key(Buffer.from(hex, 'hex'));
    return key !== undefined && verify(null, signed, key, given);
  });
  return matches ? accepted : refused('bad_signature');
}
