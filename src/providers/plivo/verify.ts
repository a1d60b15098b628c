import type { ProviderChannel, Verdict, WebhookRequest } from '../../provider.ts';
import { countFields, readFields, readQuery } from '../kit/body/form.ts';
import { accepted, decodeBase64, equalBytes, hmac, refused, soleHeader } from '../kit/signature.ts';
import { urlAsSigned } from '../kit/verify/public-url.ts';

interface Settings {
  readonly publicUrl?: string | undefined;
  readonly allowV2: boolean;
}
type Channel = ProviderChannel<{ authToken: string[] }, Settings>;
export type Scheme = 'v3' | 'v2';

/** Plivo sends about twenty fields and one signature per live token; this bounds a stranger's. */
const maxFields = 1_000;
const maxSignatures = 16;

/**
 * V3 is the HMAC-SHA256 of URL, sorted fields and nonce, V2 of URL and nonce alone. Each comes under
 * two names: signed with the token of the number's (sub)account, and as `ma` with the main
 * account's. A V3 header is authoritative: V2 is never a second try.
 */
export function verifyPlivo(request: WebhookRequest, channel: Channel): Verdict {
  const scheme = schemeOf(request.headers, channel.settings);
  if (scheme === undefined) return refused('missing_signature');
  const signatures = readSignatures(request.headers, scheme);
  if ('refusal' in signatures) return signatures.refusal;
  const nonce = soleHeader(request.headers, nonceHeader(scheme), 'missing_id');
  if ('refusal' in nonce) return nonce.refusal;
  // Digits as documented. With dots in it, a nonce could take the last fields for its own.
  if (!/^[\w-]{1,128}$/.test(nonce.value)) return refused('bad_signature');

  const url = urlAsSigned(request.url, channel.settings.publicUrl);
  if (scheme === 'v3' && (countFields(Buffer.from(url)) > maxFields || countFields(request.body) > maxFields)) {
    return refused('bad_body');
  }
  const text = scheme === 'v3' ? `${signedText(request, url)}.${nonce.value}` : `${baseOf(url)}${nonce.value}`;
  const matches = channel.secrets.authToken.some((token) => {
    const expected = hmac('sha256', token, text);
    return signatures.list.some((given) => equalBytes(given, expected));
  });
  return matches ? accepted : refused('bad_signature');
}

/** Which scheme a request is verified by, or undefined where none that the channel takes. */
export function schemeOf(headers: Headers, settings: Settings): Scheme | undefined {
  const has = (scheme: Scheme) => signatureHeaders(scheme).some((name) => (headers.get(name) ?? '') !== '');
  if (has('v3')) return 'v3';
  return settings.allowV2 && has('v2') ? 'v2' : undefined;
}

/** The header with the nonce, which each scheme signs. */
export function nonceHeader(scheme: Scheme): string {
  return `x-plivo-signature-${scheme}-nonce`;
}

function signatureHeaders(scheme: Scheme): string[] {
  return [`x-plivo-signature-${scheme}`, `x-plivo-signature-ma-${scheme}`];
}

/** The signatures of both headers. With several live tokens a header holds a list, without spaces. */
function readSignatures(headers: Headers, scheme: Scheme): { list: Uint8Array[] } | { refusal: Verdict } {
  const list: Uint8Array[] = [];
  for (const name of signatureHeaders(scheme)) {
    if ((headers.get(name) ?? '') === '') continue;
    const header = soleHeader(headers, name, 'missing_signature');
    if ('refusal' in header) return header;
    const entries = header.value.split(',');
    if (entries.length > maxSignatures) return { refusal: refused('bad_signature') };
    for (const entry of entries) {
      const bytes = decodeBase64(entry);
      if (bytes?.byteLength === 32) list.push(bytes);
    }
  }
  return list.length === 0 ? { refusal: refused('bad_signature') } : { list };
}

/**
 * `base?name=value&…` of the query, and for a form `.namevalue…`, both sorted; one of them may be
 * missing. As validateV3Signature of Plivo's SDK computes it.
 */
export function signedText(request: WebhookRequest, url: string): string {
  const query = sortPairs(readQuery(url))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
  const fields = request.method === 'GET' ? [] : sortPairs(readFields(request));
  const form = fields.map(([name, value]) => `${name}${value}`).join('');
  const question = query !== '' || fields.length > 0 ? '?' : '';
  return `${baseOf(url)}${question}${query}${query !== '' && fields.length > 0 ? '.' : ''}${form}`;
}

function baseOf(url: string): string {
  return url.split('?', 1)[0] ?? url;
}

/** By name and then by value, in the order of UTF-16 units as the SDK sorts. */
function sortPairs(pairs: URLSearchParams): [string, string][] {
  return [...pairs].toSorted(([a, x], [b, y]) => compare(a, b) || compare(x, y));
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
