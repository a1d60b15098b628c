import type { ProviderChannel, Reply, Verdict, WebhookRequest } from '../../provider.ts';
import { isForm, readForm } from '../kit/body/form.ts';
import { readJson } from '../kit/fields.ts';
import { accepted, decodeHex, equalBytes, hmac, refused, soleHeader } from '../kit/signature.ts';
import { checkTimestamp } from '../kit/verify/timestamp.ts';
import { slackEnvelope } from './schema.ts';

/** Seconds. Slack's own SDK refuses only what is too old; we refuse the future as well. */
const toleranceSeconds = 300;

/** The probe has two short fields; nobody has vouched yet for what a larger form costs to read. */
const maxProbeBytes = 4_096;

type Channel = ProviderChannel<{ signingSecret: string[] }, Record<string, unknown>>;

/** `v0=` and the hex HMAC-SHA256 of `v0:timestamp:body`. */
export function verifySlack(request: WebhookRequest, channel: Channel, context: { now: Date }): Verdict {
  const signature = soleHeader(request.headers, 'x-slack-signature', 'missing_signature');
  if ('refusal' in signature) return signature.refusal;
  const timestamp = soleHeader(request.headers, 'x-slack-request-timestamp', 'missing_timestamp');
  if ('refusal' in timestamp) return timestamp.refusal;
  const fresh = checkTimestamp(timestamp.value, context.now, toleranceSeconds);
  if (!fresh.ok) return fresh;

  // Slack writes lower-case hex; anything else did not come from Slack.
  if (!/^v0=[0-9a-f]{64}$/.test(signature.value)) return refused('bad_signature');
  const given = decodeHex(signature.value.slice(3), 32);
  const matches = channel.secrets.signingSecret.some(
    (secret) => given && equalBytes(given, hmac('sha256', secret, `v0:${timestamp.value}:`, request.body)),
  );
  return matches ? accepted : refused('bad_signature');
}

/**
 * Answers `url_verification`, which is signed like everything else, and the certificate probe
 * `ssl_check=1`, which is not signed: nothing but an empty answer may ever come of it.
 */
export function shakeSlackHand(
  request: WebhookRequest,
  _channel: Channel,
  context: { verified: boolean },
): Reply | undefined {
  if (isForm(request.headers)) {
    if (request.body.byteLength > maxProbeBytes) return undefined;
    return readForm(request.body).get('ssl_check') === '1' ? { status: 200 } : undefined;
  }
  if (!context.verified) return undefined;
  const challenge = readChallenge(request.body);
  if (challenge === undefined) return undefined;
  return { status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: challenge };
}

function readChallenge(body: Uint8Array): string | undefined {
  try {
    const envelope = slackEnvelope.safeParse(readJson(body)).data;
    return envelope?.type === 'url_verification' ? envelope.challenge : undefined;
  } catch {
    return undefined; // Not JSON: parse says so, and the event is kept as unparsed.
  }
}
