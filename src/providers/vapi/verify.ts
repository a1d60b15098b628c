import type { ProviderChannel, Verdict, WebhookRequest } from '../../provider.ts';
import { accepted, decodeBase64, decodeHex, equalBytes, hmac, refused, soleHeader } from '../kit/signature.ts';
import { verifyToken } from '../kit/verify/credentials.ts';
import { urlAsSigned } from '../kit/verify/public-url.ts';
import { checkTimestampIn, type TimestampUnit } from '../kit/verify/timestamp.ts';
import type { VapiSettings } from './settings.ts';

type Channel = ProviderChannel<{ secret: string[] }, VapiSettings>;

/** Seconds, in both directions. Vapi names none. */
const toleranceSeconds = 300;

const digestBytes = { sha1: 20, sha256: 32, sha512: 64 } as const;

/**
 * By an HMAC where there is a signature, otherwise by the token itself, in `Authorization` or the
 * older `X-Vapi-Secret`. Each takes the same secret, so trying the other gains nobody anything. Of
 * the token alone nothing in the body is covered.
 */
export function verifyVapi(request: WebhookRequest, channel: Channel, context: { now: Date }): Verdict {
  const { headers } = request;
  const has = (name: string) => (headers.get(name) ?? '') !== '';
  if (has(channel.settings.signatureHeader)) return verifyHmac(request, channel, context.now);
  const name = has('authorization') ? 'authorization' : 'x-vapi-secret';
  const token = soleHeader(headers, name, 'missing_credentials');
  if ('refusal' in token) return token.refusal;
  // The word can be switched off at Vapi.
  return verifyToken(token.value.replace(/^bearer +/i, ''), channel.secrets.secret);
}

function verifyHmac(request: WebhookRequest, { secrets, settings }: Channel, now: Date): Verdict {
  const signature = soleHeader(request.headers, settings.signatureHeader, 'missing_signature');
  if ('refusal' in signature) return signature.refusal;
  const signed = signedParts(request, settings, now);
  if ('refusal' in signed) return signed.refusal;

  if (!signature.value.startsWith(settings.signaturePrefix)) return refused('bad_signature');
  const text = signature.value.slice(settings.signaturePrefix.length);
  const length = digestBytes[settings.algorithm];
  const given = settings.signatureEncoding === 'hex' ? decodeLowerHex(text, length) : decodeBase64(text);
  if (given?.byteLength !== length) return refused('bad_signature');
  const matches = secrets.secret.some((secret) => {
    const key = settings.secretIsBase64 ? decodeBase64(secret) : secret;
    return key !== undefined && equalBytes(given, hmac(settings.algorithm, key, ...signed.parts));
  });
  return matches ? accepted : refused('bad_signature');
}

/** Node writes lower-case hex; anything else did not come from Vapi. */
function decodeLowerHex(text: string, length: number): Uint8Array | undefined {
  return /[A-F]/.test(text) ? undefined : decodeHex(text, length);
}

/** The format with its places filled in: the body as its raw bytes, the time checked. */
function signedParts(
  request: WebhookRequest,
  settings: VapiSettings,
  now: Date,
): { parts: (string | Uint8Array)[] } | { refusal: Verdict } {
  const parts: (string | Uint8Array)[] = [];
  for (const piece of settings.payloadFormat.split(/(\{(?:body|timestamp|method|url|svix-id)\})/)) {
    switch (piece) {
      case '{body}':
        parts.push(request.body);
        break;
      case '{timestamp}': {
        const timestamp = soleHeader(request.headers, settings.timestampHeader, 'missing_timestamp');
        if ('refusal' in timestamp) return timestamp;
        const fresh = checkTimestampIn(unitOf(timestamp.value), timestamp.value, now, toleranceSeconds);
        if (!fresh.ok) return { refusal: fresh };
        parts.push(timestamp.value);
        break;
      }
      case '{svix-id}': {
        const id = soleHeader(request.headers, settings.messageIdHeader, 'missing_id');
        if ('refusal' in id) return id;
        parts.push(id.value);
        break;
      }
      case '{method}':
        parts.push(request.method);
        break;
      case '{url}':
        parts.push(urlAsSigned(request.url, settings.publicUrl));
        break;
      default:
        parts.push(piece);
    }
  }
  return { parts };
}

/** Vapi's pages do not say in which unit the time is, and these cannot be taken for one another. */
function unitOf(text: string): TimestampUnit {
  if (text.includes('-')) return 'iso';
  return text.length >= 13 ? 'ms' : 's';
}
