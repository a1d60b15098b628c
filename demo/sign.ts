import { createHash, createHmac, randomUUID } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js';
import { webhookHeaders } from '../src/lib/standard-webhooks.ts';

/**
 * Complete signed requests, as the real providers send them: for the demo, the tests, the crash
 * test and the benchmarks. The official SDKs sign wherever they can.
 */
export interface SignedRequest {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: string | Uint8Array;
}

/** A request whose signature covers its URL: send it to `url`, which may differ from the one given. */
export interface SignedUrlRequest extends SignedRequest {
  readonly url: string;
}

/** A Slack request. Slack's SDK only verifies, so its documented scheme is computed here. */
export function signSlack(options: {
  secret: string;
  body: string | Uint8Array;
  now?: Date;
  /** `application/x-www-form-urlencoded` for slash commands and interactivity. */
  contentType?: string;
}): SignedRequest {
  const timestamp = String(seconds(options.now));
  const mac = createHmac('sha256', options.secret).update(`v0:${timestamp}:`).update(options.body);
  return {
    method: 'POST',
    headers: {
      'content-type': options.contentType ?? 'application/json',
      'x-slack-request-timestamp': timestamp,
      'x-slack-signature': `v0=${mac.digest('hex')}`,
    },
    body: options.body,
  };
}

/** Form parameters as Twilio posts them; a list is a repeated field. */
export type TwilioParams = Readonly<Record<string, string | readonly string[]>>;

/** A Twilio form post, signed by the official SDK. `url` is the public URL, query included. */
export function signTwilioForm(options: { authToken: string; url: string; params: TwilioParams }): SignedUrlRequest {
  const signature = getExpectedTwilioSignature(options.authToken, options.url, { ...options.params });
  return {
    method: 'POST',
    url: options.url,
    headers: {
      'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
      'x-twilio-signature': signature,
    },
    body: encodeForm(options.params),
  };
}

/** A Twilio GET: the parameters are in the query, and the signature covers the URL alone. */
export function signTwilioGet(options: { authToken: string; url: string; params: TwilioParams }): SignedUrlRequest {
  const url = withQuery(options.url, encodeForm(options.params));
  return {
    method: 'GET',
    url,
    headers: { 'x-twilio-signature': getExpectedTwilioSignature(options.authToken, url, {}) },
    body: '',
  };
}

/** A Twilio JSON post: the URL carries the body's hash, and the signature covers the URL alone. */
export function signTwilioJson(options: {
  authToken: string;
  url: string;
  body: string | Uint8Array;
}): SignedUrlRequest {
  const hash = createHash('sha256').update(options.body).digest('hex');
  const url = withQuery(options.url, `bodySHA256=${hash}`);
  return {
    method: 'POST',
    url,
    headers: {
      'content-type': 'application/json',
      'x-twilio-signature': getExpectedTwilioSignature(options.authToken, url, {}),
    },
    body: options.body,
  };
}

/**
 * A request signed by Standard Webhooks, which the `mime` provider uses as well. Text is signed by
 * the official SDK; it would decode bytes as text first, so bytes are signed by our own code.
 */
export function signStandardWebhook(options: {
  secret: string;
  body: string | Uint8Array;
  id?: string;
  now?: Date;
  contentType?: string;
}): SignedRequest {
  const id = options.id ?? `msg_${randomUUID()}`;
  const timestamp = seconds(options.now);
  const signed =
    typeof options.body === 'string'
      ? {
          'webhook-id': id,
          'webhook-timestamp': String(timestamp),
          'webhook-signature': new Webhook(options.secret).sign(id, new Date(timestamp * 1000), options.body),
        }
      : webhookHeaders([options.secret], id, timestamp, options.body);
  return {
    method: 'POST',
    headers: { 'content-type': options.contentType ?? 'application/json', ...signed },
    body: options.body,
  };
}

function seconds(now: Date = new Date()): number {
  return Math.floor(now.getTime() / 1000);
}

function encodeForm(params: TwilioParams): string {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of typeof value === 'string' ? [value] : value) form.append(name, one);
  }
  return form.toString();
}

function withQuery(url: string, query: string): string {
  return `${url}${url.includes('?') ? '&' : '?'}${query}`;
}
