import { z } from 'zod';
import type { ProviderChannel, Verdict, WebhookRequest } from '../../provider.ts';
import { decodeText, readJson, textField } from '../kit/fields.ts';
import { accepted, decodeHex, equalBytes, hmac, refused } from '../kit/signature.ts';
import { checkTimestamp } from '../kit/verify/timestamp.ts';
import { readFields } from './form.ts';

/**
 * In seconds. How old a request may be: Mailgun tries for eight hours, and by all reports a retry comes with the
 * signature of the first try. After that the mail is lost.
 */
const tolerance = { early: 300, late: 9 * 3600 };

/** None of the three is longer than 64 characters. */
const maxFieldBytes = 512;

/**
 * HMAC-SHA256 over timestamp and token, which are fields of the body like the signature itself. The
 * rest of the body is not covered.
 * Source: https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
 */
export function verifyMailgun(
  request: WebhookRequest,
  channel: ProviderChannel<{ signingKey: string[] }, Record<string, unknown>>,
  context: { now: Date },
): Verdict {
  const signed = readSigned(request);
  if (!signed) return refused('bad_body');
  const { signature, timestamp, token } = signed;
  if (!signature) return refused('missing_signature');
  if (!timestamp) return refused('missing_timestamp');
  if (!token) return refused('missing_id');
  // Ten digits: nothing stands between timestamp and token, so digits must not wander across.
  if (!/^\d{10}$/.test(timestamp)) return refused('bad_timestamp');
  const fresh = checkTimestamp(timestamp, context.now, tolerance);
  if (!fresh.ok) return fresh;
  // Mailgun writes lower-case hex; anything else did not come from Mailgun.
  const given = /[A-F]/.test(signature) ? undefined : decodeHex(signature, 32);
  const matches = channel.secrets.signingKey.some(
    (key) => given && equalBytes(given, hmac('sha256', key, timestamp, token)),
  );
  return matches ? accepted : refused('bad_signature');
}

interface Signed {
  readonly signature: string | undefined;
  readonly timestamp: string | undefined;
  readonly token: string | undefined;
}

const signedJson = z.object({
  signature: z.object({ signature: textField, timestamp: textField, token: textField }).catch({}),
});

/** Undefined where the body cannot be read, or holds one of the three twice. */
function readSigned(request: WebhookRequest): Signed | undefined {
  const contentType = request.headers.get('content-type');
  try {
    if (isJson(contentType)) {
      const { signature, timestamp, token } = signedJson.parse(readJson(request.body)).signature;
      return { signature, timestamp, token };
    }
    const fields = readFields(contentType, request.body, maxFieldBytes);
    const [signature = [], timestamp = [], token = []] = ['signature', 'timestamp', 'token'].map((name) =>
      fields.filter((field) => field.name === name && field.bytes.byteLength <= maxFieldBytes),
    );
    if ([signature, timestamp, token].some((list) => list.length > 1)) return undefined;
    const [one, two, three] = [signature, timestamp, token].map(([field]) => field && decodeText(field.bytes));
    return { signature: one, timestamp: two, token: three };
  } catch {
    return undefined;
  }
}

/** Events come as JSON, mail as a form. */
export function isJson(contentType: string | null): boolean {
  return /^application\/json\b/i.test(contentType ?? '');
}
