import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { defineProvider, secretList } from '../../provider.ts';
import { parseOwnBody } from '../kit/json-message/own-body.ts';
import { ownBodySettings } from '../kit/json-message/settings.ts';
import { verifyBasic } from '../kit/verify/credentials.ts';

/** Any JSON or form from whoever has the user name and password. Source: RFC 7617. */
export const basic = defineProvider({
  name: 'basic',
  kind: 'webhook',
  title: 'User name and password (any JSON)',
  secrets: z.strictObject({
    credentials: secretList('User name and password as user:password; the user name has no colon.').refine(
      (pairs) => pairs.every((pair) => /^[^:\p{Cc}]{1,256}:[^\p{Cc}]{1,1024}$/u.test(pair)),
      'user name and password with a colon between them, such as postroom:correct-horse',
    ),
  }),
  settings: ownBodySettings,
  setup: {
    steps: [
      'Where the sending system can sign what it sends, use hmac or standard-webhooks instead: a password says nothing about the body.',
      'Enter {ingestUrl} as the URL there, and user name and password of the secret credentials (user:password) in its fields for them.',
      'A system that only has a field for the URL may take them inside it, as https://user:password@host/path.',
      'Set the JSON pointers sender, text, id, thread, displayName, recipient and sentAt where its payload differs from the defaults, and eventId where it numbers its events.',
      'Send a test event and look at the message that came of it.',
    ],
    address: 'The value at the pointer recipient, such as orders; none is needed where the payload names no recipient.',
  },
  methods: ['POST', 'PUT', 'PATCH'],
  credentialHeaders: ['authorization'],
  newSecret: () => `postroom:${randomBytes(32).toString('base64url')}`,
  verify: (request, channel) => verifyBasic(request, channel.secrets.credentials),
  parse: (request, channel) => parseOwnBody(request, channel.settings),
});
