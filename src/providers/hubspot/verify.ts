import type { ProviderChannel, Verdict, WebhookRequest } from '../../provider.ts';
import { accepted, decodeBase64, equalBytes, hmac, refused, soleHeader } from '../kit/signature.ts';
import { urlAsSigned } from '../kit/verify/public-url.ts';
import { checkTimestampIn } from '../kit/verify/timestamp.ts';

/** Seconds. HubSpot's own SDK refuses only what is too old; we refuse the future as well. */
const toleranceSeconds = 300;

/** What HubSpot writes out in a URL before it signs it: `: / ? @ ! $ ' ( ) * , ;`. */
const decoded = /%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)/gi;

type Channel = ProviderChannel<{ clientSecret: string[] }, { publicUrl?: string | undefined }>;

/**
 * Version 3: the base64 HMAC-SHA256 of method, URL, raw body and time in milliseconds, with nothing
 * between them. The older versions, which HubSpot sends beside it, sign no time and are not read.
 * Source: https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
 */
export function verifyHubspot(request: WebhookRequest, channel: Channel, context: { now: Date }): Verdict {
  const signature = soleHeader(request.headers, 'x-hubspot-signature-v3', 'missing_signature');
  if ('refusal' in signature) return signature.refusal;
  const timestamp = soleHeader(request.headers, 'x-hubspot-request-timestamp', 'missing_timestamp');
  if ('refusal' in timestamp) return timestamp.refusal;
  const fresh = checkTimestampIn('ms', timestamp.value, context.now, toleranceSeconds);
  if (!fresh.ok) return fresh;

  const given = decodeBase64(signature.value);
  if (given?.byteLength !== 32) return refused('bad_signature');
  const { method, body } = request;
  const urls = signedUrls(urlAsSigned(request.url, channel.settings.publicUrl));
  const matches = channel.secrets.clientSecret.some((secret) =>
    urls.some((url) => equalBytes(given, hmac('sha256', secret, method, url, body, timestamp.value))),
  );
  return matches ? accepted : refused('bad_signature');
}

/** The documentation has some escapes decoded, the SDK signs the URL as it is: mostly the same. */
function signedUrls(url: string): string[] {
  return [...new Set([url.replace(decoded, decodeURIComponent), url])];
}
