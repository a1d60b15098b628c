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
   */
  readonly covers: 'bytes' | 'fields';
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
