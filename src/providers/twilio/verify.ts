import { validateRequest } from 'twilio/lib/webhooks/webhooks.js';
import type { ProviderChannel, Verdict, WebhookRequest } from '../../provider.ts';
import { accepted, decodeBase64, decodeHex, equalBytes, refused, sha256Hex, soleHeader } from '../kit/signature.ts';
import { bodyHashes, readFields } from './fields.ts';

type Channel = ProviderChannel<{ authToken: string[] }, { publicUrl?: string | undefined }>;

/**
 * Twilio sends under a hundred. The SDK sorts them up to six times a secret before it is known who
 * posted them: 200,000, which fit into a megabyte, take 0.7 s a secret.
 */
const maxFields = 1_000;

/**
 * HMAC-SHA1 over the public URL and the sorted form fields. The official SDK computes it, because
 * it knows which forms of the URL Twilio's back ends sign: with and without the standard port, and
 * with the query escaped the older way. Twilio signs no time, so the dedupe key is all there is
 * against a replay.
 */
export function verifyTwilio(request: WebhookRequest, channel: Channel): Verdict {
  const signature = soleHeader(request.headers, 'x-twilio-signature', 'missing_signature');
  if ('refusal' in signature) return signature.refusal;
  if (decodeBase64(signature.value)?.byteLength !== 20) return refused('bad_signature');

  const url = signedUrl(request.url, channel.settings.publicUrl);
  const hashes = bodyHashes(request.url);
  if (hashes.length === 0 && countSeparators(request.body) >= maxFields) return refused('bad_body');
  const fields = hashes.length > 0 ? {} : signedFields(request);
  const matches = channel.secrets.authToken.some((token) => matchesUrl(token, signature.value, url, fields));
  if (!matches) return refused('bad_signature');
  return hashes.length === 0 || coversBody(hashes, request.body) ? accepted : refused('bad_body');
}

/**
 * The URL as Twilio has it. `publicUrl` replaces scheme, host and path for proxies that rewrite
 * them; the query stays the request's, because Twilio adds to it. A fragment is never signed.
 */
function signedUrl(url: string, publicUrl: string | undefined): string {
  const received = url.split('#', 1)[0] ?? url;
  if (publicUrl === undefined) return received;
  const configured = publicUrl.split('#', 1)[0] ?? publicUrl;
  const queryStart = received.indexOf('?');
  if (queryStart === -1) return configured;
  return `${configured.split('?', 1)[0]}${received.slice(queryStart)}`;
}

/** By way of a map: a field called `__proto__` must be signed like any other. */
function signedFields(request: WebhookRequest): Record<string, string[]> {
  const fields = new Map<string, string[]>();
  // In a GET request the fields are in the query, which is signed as part of the URL.
  if (request.method === 'GET') return {};
  for (const [name, value] of readFields(request)) {
    const values = fields.get(name);
    if (values) values.push(value);
    else fields.set(name, [value]);
  }
  return Object.fromEntries(fields);
}

function countSeparators(body: Uint8Array): number {
  let count = 0;
  for (const byte of body) if (byte === 0x26) count += 1;
  return count;
}

function matchesUrl(token: string, signature: string, url: string, fields: Record<string, string[]>): boolean {
  try {
    return validateRequest(token, signature, url, fields);
  } catch {
    return false; // The SDK throws on a URL that it cannot parse.
  }
}

function coversBody(hashes: readonly string[], body: Uint8Array): boolean {
  const given = hashes.length === 1 ? decodeHex(hashes[0] ?? '', 32) : undefined;
  return given !== undefined && equalBytes(given, Buffer.from(sha256Hex(body), 'hex'));
}
