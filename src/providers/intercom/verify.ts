import type { ProviderChannel, Reply, Verdict, WebhookRequest } from '../../provider.ts';
import { accepted, decodeHex, equalBytes, hmac, refused, soleHeader } from '../kit/signature.ts';

type Channel = ProviderChannel<{ clientSecret: string[] }, Record<string, unknown>>;

/** `X-Hub-Signature: sha1=<hex>`, the HMAC-SHA1 of the raw body. Intercom signs no time. */
export function verifyIntercom(request: WebhookRequest, channel: Channel): Verdict {
  const header = soleHeader(request.headers, 'x-hub-signature', 'missing_signature');
  if ('refusal' in header) return header.refusal;
  // Intercom writes lower-case hex; anything else did not come from Intercom.
  if (!/^sha1=[0-9a-f]{40}$/.test(header.value)) return refused('bad_signature');
  const given = decodeHex(header.value.slice(5), 20);
  const matches = channel.secrets.clientSecret.some(
    (secret) => given && equalBytes(given, hmac('sha1', secret, request.body)),
  );
  return matches ? accepted : refused('bad_signature');
}

/** Intercom asks with an unsigned HEAD whether the URL is there before it saves it; nothing comes of it. */
export function answerProbe(request: WebhookRequest): Reply | undefined {
  return request.method === 'HEAD' ? { status: 200 } : undefined;
}
