import { z } from 'zod';
import type { ProviderChannel, Verdict, WebhookRequest } from '../../provider.ts';
import { tryJson } from '../kit/fields.ts';
import { decodeHex, equalBytes, hmac, refused, soleHeader } from '../kit/signature.ts';
import { checkMillis } from '../kit/verify/timestamp.ts';

/** Seconds, in both directions, as Linear's SDK has it. */
const toleranceSeconds = 60;

const stamped = z.object({ webhookTimestamp: z.unknown().optional() });

type Channel = ProviderChannel<{ signingSecret: string[] }, Record<string, unknown>>;

/**
 * The hex HMAC-SHA256 of the raw body, which has the time of sending in it. The headers are not
 * signed, so `Linear-Timestamp` is not read.
 * Source: https://linear.app/developers/webhooks#securing-webhooks
 */
export function verifyLinear(request: WebhookRequest, channel: Channel, context: { now: Date }): Verdict {
  const signature = soleHeader(request.headers, 'linear-signature', 'missing_signature');
  if ('refusal' in signature) return signature.refusal;
  // Linear writes lower-case hex; anything else did not come from Linear.
  const given = /[A-F]/.test(signature.value) ? undefined : decodeHex(signature.value, 32);
  if (!given) return refused('bad_signature');
  const { body } = request;
  const matches = channel.secrets.signingSecret.some((secret) => equalBytes(given, hmac('sha256', secret, body)));
  return matches ? checkSendingTime(body, context.now) : refused('bad_signature');
}

/** Looked at once the signature is right: nobody else's JSON is read here. */
function checkSendingTime(body: Uint8Array, now: Date): Verdict {
  const payload = tryJson(body);
  if (payload === undefined) return refused('bad_body');
  const millis = stamped.safeParse(payload).data?.webhookTimestamp;
  if (millis === undefined || millis === null) return refused('missing_timestamp');
  if (typeof millis !== 'number') return refused('bad_timestamp');
  return checkMillis(millis, now, toleranceSeconds);
}
