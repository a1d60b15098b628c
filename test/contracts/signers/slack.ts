import { signSlack } from '../../../demo/sign.ts';
import { type Signer } from '../signer.ts';

export const signer: Signer = {
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
    'command',
    'payload',
    'user_id',
    'trigger_id',
  ],
};
