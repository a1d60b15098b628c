import type { ProviderChannel, Verdict, WebhookRequest } from '../../provider.ts';
import { accepted, equalBytes, refused, soleHeader } from '../kit/signature.ts';

type Channel = ProviderChannel<{ secret: string[] }, Record<string, unknown>>;

/** What `setWebhook` takes as `secret_token`. */
export const secretTokenPattern = /^[A-Za-z0-9_-]{1,256}$/;

/**
 * `X-Telegram-Bot-Api-Secret-Token` is the secret itself. Nothing is signed: neither the body nor
 * a time, so whoever knows the secret can say anything.
 */
export function verifyTelegram(request: WebhookRequest, channel: Channel): Verdict {
  const header = soleHeader(request.headers, 'x-telegram-bot-api-secret-token', 'missing_signature');
  if ('refusal' in header) return header.refusal;
  if (!secretTokenPattern.test(header.value)) return refused('bad_signature');
  const given = Buffer.from(header.value);
  const matches = channel.secrets.secret.some((secret) => equalBytes(given, Buffer.from(secret)));
  return matches ? accepted : refused('bad_signature');
}
