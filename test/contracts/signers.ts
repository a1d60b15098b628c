import { createHmac } from 'node:crypto';
import {
  signSlack,
  signStandardWebhook,
  signTwilioForm,
  signTwilioGet,
  signTwilioJson,
  type SignedRequest,
  type TwilioParams,
} from '../../demo/sign.ts';
import type { Fixture } from './fixtures.ts';

/** How the contract suite makes a provider's requests: all it needs besides the fixtures. */
export interface Signer {
  readonly secrets: Readonly<Record<string, string>>;
  /** A second set, for rotation. */
  readonly nextSecrets: Readonly<Record<string, string>>;
  /** Headers that the verifier reads; each is left out, emptied, cut, doubled and garbled. */
  readonly headers: readonly string[];
  /** Whether the scheme signs a time, and so refuses what is older or newer than this. */
  readonly toleranceSeconds?: number;
  /**
   * `bytes`: any changed byte of the body is refused. `fields`: the scheme signs what a form
   * means, so a change that is accepted (`%2b` for `%2B`) must not change what is parsed.
   * `none`: nothing is signed, a secret alone lets the request in.
   */
  readonly covers: 'bytes' | 'fields' | 'none';
  sign(fixture: Fixture, secrets: Readonly<Record<string, string>>, now: Date): SignedRequest & { url?: string };
  /** Field names that parse looks at, to aim random documents at it. */
  readonly fields: readonly string[];
}

export const url = 'https://post.example.com/in/0198c0de';

const webhookSecrets = {
  secrets: { secret: 'whsec_cG9zdHJvb20tY29udHJhY3Qtc2VjcmV0LW9uZS0wMDE=' },
  nextSecrets: { secret: 'whsec_cG9zdHJvb20tY29udHJhY3Qtc2VjcmV0LXR3by0wMDI=' },
  headers: ['webhook-id', 'webhook-timestamp', 'webhook-signature'],
  toleranceSeconds: 300,
  covers: 'bytes',
} as const;

export const signers: Readonly<Record<string, Signer>> = {
  slack: {
    secrets: { signingSecret: 'd2c5f0a1b3e4968778695a4b3c2d1e0f' },
    nextSecrets: { signingSecret: '00112233445566778899aabbccddeeff' },
    headers: ['x-slack-signature', 'x-slack-request-timestamp'],
    toleranceSeconds: 300,
    covers: 'bytes',
    sign: (fixture, secrets, now) =>
      signSlack({
        secret: secrets['signingSecret'] ?? '',
        body: fixture.bytes,
        now,
        ...(fixture.form ? { contentType: 'application/x-www-form-urlencoded' } : {}),
      }),
    fields: [
      'type',
      'event',
      'team_id',
      'event_id',
      'authorizations',
      'user',
      'team',
      'user_team',
      'text',
      'ts',
      'thread_ts',
      'channel',
      'files',
      'subtype',
      'bot_id',
      'bot_profile',
      'user_profile',
      'hidden',
      'challenge',
      'id',
      'size',
    ],
  },
  twilio: {
    secrets: { authToken: '0f1e2d3c4b5a69788796a5b4c3d2e1f0' },
    nextSecrets: { authToken: 'ffeeddccbbaa99887766554433221100' },
    headers: ['x-twilio-signature'],
    covers: 'fields',
    sign: (fixture, secrets) => {
      const authToken = secrets['authToken'] ?? '';
      const params = (fixture.form ?? {}) as TwilioParams;
      if (fixture.variant === 'json') return signTwilioJson({ authToken, url, body: fixture.bytes });
      if (fixture.variant === 'get') return signTwilioGet({ authToken, url, params });
      return signTwilioForm({ authToken, url, params });
    },
    fields: [
      'MessageSid',
      'SmsSid',
      'From',
      'To',
      'Body',
      'NumMedia',
      'MediaUrl0',
      'MediaContentType0',
      'SmsStatus',
      'MessageStatus',
      'ProfileName',
      '__proto__',
    ],
  },
  github: {
    secrets: { secret: "It's a Secret to Everybody" },
    nextSecrets: { secret: '4f1e2d3c4b5a69788796a5b4c3d2e1f0' },
    headers: ['x-hub-signature-256'],
    covers: 'bytes',
    sign: (fixture, secrets) => ({
      method: 'POST',
      headers: {
        'content-type': fixture.form ? 'application/x-www-form-urlencoded' : 'application/json',
        'x-github-delivery': `delivery-${fixture.name}`,
        'x-github-event': fixture.variant ?? '',
        'x-hub-signature-256': `sha256=${hmacHex(secrets['secret'] ?? '', fixture.bytes)}`,
      },
      body: fixture.bytes,
    }),
    fields: [
      'action',
      'sender',
      'repository',
      'issue',
      'pull_request',
      'discussion',
      'comment',
      'review',
      'release',
      'id',
      'number',
      'login',
      'full_name',
      'body',
      'created_at',
      'commits',
      'ref',
      'after',
      'assets',
      'payload',
    ],
  },
  stripe: {
    secrets: { signingSecret: 'whsec_postroom-contract-secret-one' },
    nextSecrets: { signingSecret: 'whsec_postroom-contract-secret-two' },
    headers: ['stripe-signature'],
    toleranceSeconds: 300,
    covers: 'bytes',
    sign: (fixture, secrets, now) => {
      const time = Math.floor(now.getTime() / 1000);
      const mac = hmacHex(secrets['signingSecret'] ?? '', `${time}.`, fixture.bytes);
      const other = hmacHex('whsec_rolled', `${time}.`, fixture.bytes);
      const entries = fixture.variant === 'rolled' ? `v1=${other},v1=${mac},v0=${other}` : `v1=${mac}`;
      const headers = {
        'content-type': 'application/json; charset=utf-8',
        'stripe-signature': `t=${time},${entries}`,
      };
      return { method: 'POST', headers, body: fixture.bytes };
    },
    fields: [
      'id',
      'object',
      'type',
      'created',
      'livemode',
      'account',
      'context',
      'data',
      'related_object',
      'previous_attributes',
      'customer',
      'customer_details',
      'name',
      'request',
      '__proto__',
    ],
  },
  telegram: {
    secrets: { secret: 'Zk3_c0ntract-Telegram-0ne_aB9' },
    nextSecrets: { secret: 'Yj4_c0ntract-Telegram-Tw0_aB9' },
    headers: ['x-telegram-bot-api-secret-token'],
    covers: 'none',
    sign: (fixture, secrets) => ({
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-telegram-bot-api-secret-token': secrets['secret'] ?? '',
      },
      body: fixture.bytes,
    }),
    fields: [
      'update_id',
      'message',
      'callback_query',
      'message_id',
      'message_thread_id',
      'from',
      'id',
      'is_bot',
      'chat',
      'date',
      'text',
      'caption',
      'photo',
      'document',
      'file_id',
      'file_size',
      'contact',
      'location',
      'venue',
      'latitude',
      'data',
    ],
  },
  'whatsapp-cloud': {
    secrets: { appSecret: '5e1f0a9b8c7d6e5f40312213f4e5d6c7', verifyToken: 'contract-verify-token-one' },
    nextSecrets: { appSecret: 'a0b1c2d3e4f5061728394a5b6c7d8e9f', verifyToken: 'contract-verify-token-two' },
    headers: ['x-hub-signature-256'],
    covers: 'bytes',
    sign: (fixture, secrets) => ({
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-hub-signature-256': `sha256=${hmacHex(secrets['appSecret'] ?? '', fixture.bytes)}`,
      },
      body: fixture.bytes,
    }),
    fields: [
      'object',
      'entry',
      'changes',
      'field',
      'value',
      'metadata',
      'display_phone_number',
      'phone_number_id',
      'contacts',
      'wa_id',
      'user_id',
      'profile',
      'messages',
      'statuses',
      'from',
      'from_user_id',
      'id',
      'timestamp',
      'type',
      'text',
      'body',
      'image',
      'interactive',
      'order',
      'product_items',
      'errors',
    ],
  },
  mime: {
    ...webhookSecrets,
    sign: (fixture, secrets, now) =>
      signStandardWebhook({
        secret: secrets['secret'] ?? '',
        id: `msg_${fixture.name}`,
        body: fixture.bytes,
        contentType: 'message/rfc822',
        now,
      }),
    fields: ['From', 'To', 'Subject', 'Date', 'Message-ID', 'References', 'Content-Type'],
  },
  'standard-webhooks': {
    ...webhookSecrets,
    sign: (fixture, secrets, now) =>
      signStandardWebhook({
        secret: secrets['secret'] ?? '',
        id: `msg_${fixture.name}`,
        body: new TextDecoder().decode(fixture.bytes),
        now,
      }),
    fields: [
      'sender',
      'from',
      'data',
      'text',
      'message',
      'id',
      'thread',
      'timestamp',
      'recipient',
      'to',
      'displayName',
      'type',
      '__proto__',
      'constructor',
    ],
  },
};

function hmacHex(secret: string, ...parts: readonly (string | Uint8Array)[]): string {
  const mac = createHmac('sha256', secret);
  for (const part of parts) mac.update(part);
  return mac.digest('hex');
}
