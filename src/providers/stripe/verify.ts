import type { ProviderChannel, Verdict, WebhookRequest } from '../../provider.ts';
import { accepted, decodeHex, equalBytes, hmac, refused, soleHeader } from '../kit/signature.ts';
import { checkTimestamp } from '../kit/verify/timestamp.ts';

/** Seconds. Stripe's own SDK refuses only what is too old; we refuse the future as well. */
const toleranceSeconds = 300;

type Channel = ProviderChannel<{ signingSecret: string[] }, Record<string, unknown>>;

/**
 * `t=<seconds>,v1=<hex>`: the hex HMAC-SHA256 of `t.body`. There are several `v1` while a secret is
 * rolled, and a `v0` in test mode that nobody should trust. The key is the secret's own text, with
 * its `whsec_`: unlike in Standard Webhooks it is not base64.
 */
export function verifyStripe(request: WebhookRequest, channel: Channel, context: { now: Date }): Verdict {
  const header = soleHeader(request.headers, 'stripe-signature', 'missing_signature');
  if ('refusal' in header) return header.refusal;
  const entries = header.value.split(',').map((entry) => /^([a-z][a-z0-9]*)=([^=\s]+)$/.exec(entry));
  if (entries.includes(null)) return refused('bad_signature');
  const valuesOf = (name: string) => entries.flatMap((entry) => (entry?.[1] === name && entry[2] ? [entry[2]] : []));

  const [timestamp, ...others] = valuesOf('t');
  if (timestamp === undefined) return refused('missing_timestamp');
  if (others.length > 0) return refused('bad_timestamp');
  const fresh = checkTimestamp(timestamp, context.now, toleranceSeconds);
  if (!fresh.ok) return fresh;

  const signatures = valuesOf('v1');
  if (signatures.length === 0) return refused('missing_signature');
  // Stripe writes lower-case hex; anything else did not come from Stripe.
  const given = signatures.flatMap((text) => (/[A-F]/.test(text) ? [] : (decodeHex(text, 32) ?? [])));
  if (given.length === 0) return refused('bad_signature');
  const matches = channel.secrets.signingSecret.some((secret) => {
    const expected = hmac('sha256', secret, `${timestamp}.`, request.body);
    return given.some((signature) => equalBytes(signature, expected));
  });
  return matches ? accepted : refused('bad_signature');
}
