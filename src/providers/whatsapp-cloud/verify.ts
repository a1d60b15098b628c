import type { ProviderChannel, Reply, Verdict, WebhookRequest } from '../../provider.ts';
import { readQuery } from '../kit/body/form.ts';
import { equalBytes, refused } from '../kit/signature.ts';
import { verifyHubSignature } from '../kit/verify/hub-signature.ts';

type Channel = ProviderChannel<{ appSecret: string[]; verifyToken: string[] }, Record<string, unknown>>;

/**
 * `X-Hub-Signature-256: sha256=<hex>`, the HMAC-SHA256 of the raw body. Meta escapes its JSON in a
 * way of its own, so nothing but the bytes verifies. It signs no time: the dedupe key is all there
 * is against a replay. A GET is the handshake, which signs nothing and never verifies.
 */
export function verifyWhatsapp(request: WebhookRequest, channel: Channel): Verdict {
  if (request.method !== 'POST') {
    const isHandshake = soleParameter(request.url, 'hub.verify_token') !== undefined;
    return refused(isHandshake ? 'bad_signature' : 'missing_signature');
  }
  return verifyHubSignature(request, channel.secrets.appSecret);
}

/** Gives the challenge back, bare, to whoever knows the verify token. */
export function shakeWhatsappHand(request: WebhookRequest, channel: Channel): Reply | undefined {
  if (request.method !== 'GET' || soleParameter(request.url, 'hub.mode') !== 'subscribe') return undefined;
  const token = soleParameter(request.url, 'hub.verify_token');
  const challenge = soleParameter(request.url, 'hub.challenge');
  if (token === undefined || challenge === undefined) return undefined;
  const given = Buffer.from(token);
  if (!channel.secrets.verifyToken.some((secret) => equalBytes(given, Buffer.from(secret)))) return undefined;
  return { status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: challenge };
}

/** A parameter that is in the query exactly once, and not empty. */
function soleParameter(url: string, name: string): string | undefined {
  const values = readQuery(url).getAll(name);
  return values.length === 1 && values[0] !== '' ? values[0] : undefined;
}
