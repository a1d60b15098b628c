import type { ProviderChannel, Verdict, VerifyContext, WebhookRequest } from '../../provider.ts';
import { accepted, decodeBase64, decodeHex, equalBytes, hmac, refused, soleHeader } from '../kit/signature.ts';
import { urlAsSigned } from '../kit/verify/public-url.ts';
import { checkTimestampIn } from '../kit/verify/timestamp.ts';
import type { HmacSettings } from './settings.ts';
import { boundsOfId, countPlaceholder, fillTemplate, parseTemplate } from './template.ts';

type Channel = ProviderChannel<{ secret: string[] }, HmacSettings>;

const digestBytes = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 } as const;

/** Senders write one signature for each live secret; this many bounds the work a stranger can cause. */
const maxSignatures = 32;

/** An HMAC over the template's text, as the channel's settings describe it. */
export function verifyHmac(request: WebhookRequest, channel: Channel, context: Pick<VerifyContext, 'now'>): Verdict {
  const { settings } = channel;
  const signature = soleHeader(request.headers, settings.header, 'missing_signature');
  if ('refusal' in signature) return signature.refusal;
  const parts = parseTemplate(settings.template) ?? [];

  let timestamp = '';
  if (settings.timestampHeader !== undefined) {
    const header = soleHeader(request.headers, settings.timestampHeader, 'missing_timestamp');
    if ('refusal' in header) return header.refusal;
    timestamp = header.value;
    const fresh = checkTimestampIn(settings.timestampUnit, timestamp, context.now, settings.toleranceSeconds);
    if (!fresh.ok) return fresh;
  }
  let id = '';
  if (settings.idHeader !== undefined && countPlaceholder(parts, 'id') > 0) {
    const header = soleHeader(request.headers, settings.idHeader, 'missing_id');
    if ('refusal' in header) return header.refusal;
    id = header.value;
    // ASCII alone, so that no two ids are the same bytes.
    if (!/^[\x20-\x7e]{1,512}$/.test(id) || boundsOfId(parts)?.some((text) => id.includes(text))) {
      return refused('bad_signature');
    }
  }

  const given = readSignatures(signature.value, settings);
  if (given.length === 0) return refused('bad_signature');
  const url = urlAsSigned(request.url, settings.publicUrl);
  const signed = fillTemplate(parts, { body: request.body, timestamp, id, method: request.method, url });
  const matches = channel.secrets.secret.some((secret) => {
    const key = decodeKey(secret, settings.secretEncoding);
    if (!key) return false;
    const expected = hmac(settings.algorithm, key, ...signed);
    return given.some((bytes) => equalBytes(bytes, expected));
  });
  return matches ? accepted : refused('bad_signature');
}

/** The header's signatures that have the prefix and are strictly encoded; none where there are too many. */
function readSignatures(header: string, settings: HmacSettings): Uint8Array[] {
  const entries = settings.separator === undefined ? [header] : header.split(settings.separator);
  if (entries.length > maxSignatures) return [];
  return entries.flatMap((entry) => {
    if (!entry.startsWith(settings.prefix)) return [];
    const bytes = decodeDigest(entry.slice(settings.prefix.length), settings);
    return bytes?.byteLength === digestBytes[settings.algorithm] ? [bytes] : [];
  });
}

function decodeDigest(text: string, { encoding, algorithm }: HmacSettings): Uint8Array | undefined {
  if (encoding === 'base64') return decodeBase64(text);
  if (encoding === 'base64url') return decodeBase64Url(text);
  // All in one case, as code writes it.
  return /[a-f]/.test(text) && /[A-F]/.test(text) ? undefined : decodeHex(text, digestBytes[algorithm]);
}

/** With its padding or without. */
function decodeBase64Url(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64url');
  const bare = bytes.toString('base64url');
  const padded = bare.padEnd(Math.ceil(bare.length / 4) * 4, '=');
  return text === bare || text === padded ? bytes : undefined;
}

/** The key of a secret; undefined where the secret is not encoded as the settings say. */
function decodeKey(secret: string, encoding: HmacSettings['secretEncoding']): Uint8Array | undefined {
  if (encoding === 'text') return Buffer.from(secret);
  if (encoding === 'base64') return decodeBase64(secret);
  return decodeHex(secret, Math.floor(secret.length / 2));
}
