import { validateRequest } from 'twilio/lib/webhooks/webhooks.js';
import type { ProviderChannel, Verdict, WebhookRequest } from '../../provider.ts';
import { allValues, countFields, readFields } from '../kit/body/form.ts';
import { accepted, decodeBase64, decodeHex, equalBytes, refused, sha256, soleHeader } from '../kit/signature.ts';
import { urlAsSigned } from '../kit/verify/public-url.ts';
import { bodyHashes } from './fields.ts';

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

  const url = urlAsSigned(request.url, channel.settings.publicUrl);
  const hashes = bodyHashes(request.url);
  if (hashes.length === 0 && countFields(request.body) > maxFields) return refused('bad_body');
  const fields = hashes.length > 0 ? {} : signedFields(request);
  const matches = channel.secrets.authToken.some((token) => matchesUrl(token, signature.value, url, fields));
  if (!matches) return refused('bad_signature');
  return hashes.length === 0 || coversBody(hashes, request.body) ? accepted : refused('bad_body');
}

/** In a GET request the fields are in the query, which is signed as part of the URL. */
function signedFields(request: WebhookRequest): Record<string, string[]> {
  return request.method === 'GET' ? {} : Object.fromEntries(allValues(readFields(request)));
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
  return given !== undefined && equalBytes(given, sha256(body));
}
