import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { defineProvider, secretList, type ProviderChannel, type Verdict, type WebhookRequest } from '../../provider.ts';
import { parseOwnBody } from '../kit/json-message/own-body.ts';
import { ownBodySettings } from '../kit/json-message/settings.ts';
import { soleHeader } from '../kit/signature.ts';
import { verifyBearer, verifyToken } from '../kit/verify/credentials.ts';

/**
 * The headers that a token may come in. A closed list, because none of their values may be kept
 * with the event: a name that somebody makes up in a setting would be kept, and the token with it.
 */
const tokenHeaders = [
  'authorization',
  'x-api-key',
  'x-api-token',
  'x-auth-token',
  'x-access-token',
  'x-webhook-token',
  'x-webhook-secret',
  'x-webhook-key',
  'x-secret-token',
  'x-secret',
  'x-token',
  'api-key',
  'apikey',
  'token',
  'x-gitlab-token',
] as const;

const bearerSettings = z.strictObject({
  ...ownBodySettings.shape,
  header: z
    .enum(tokenHeaders)
    .default('authorization')
    .describe('The header with the token: authorization has it behind the word Bearer, all others as it is.'),
});
type Channel = ProviderChannel<{ token: string[] }, z.output<typeof bearerSettings>>;

/** Any JSON or form from whoever has the token. Source: RFC 6750. */
export const bearer = defineProvider({
  name: 'bearer',
  kind: 'webhook',
  title: 'Bearer token or API key (any JSON)',
  secrets: z.strictObject({
    token: secretList(
      'The token that the sender puts into the header: visible characters without spaces and commas.',
    ).refine(
      (tokens) => tokens.every((token) => /^[\x21-\x2b\x2d-\x7e]{1,1024}$/.test(token)),
      'a token is up to 1,024 visible ASCII characters without spaces and commas',
    ),
  }),
  settings: bearerSettings,
  setup: {
    steps: [
      'Where the sending system can sign what it sends, use hmac or standard-webhooks instead: a token says nothing about the body.',
      'Enter {ingestUrl} as the URL there, and have it send the header Authorization: Bearer <token> with the secret token.',
      'Where it sends the token in another header, set the setting header to its name.',
      'Set the JSON pointers sender, text, id, thread, displayName, recipient and sentAt where its payload differs from the defaults, and eventId where it numbers its events.',
      'Send a test event and look at the message that came of it.',
    ],
    address: 'The value at the pointer recipient, such as orders; none is needed where the payload names no recipient.',
  },
  methods: ['POST', 'PUT', 'PATCH'],
  credentialHeaders: tokenHeaders,
  newSecret: () => randomBytes(32).toString('base64url'),
  verify: verifyHeader,
  parse: (request, channel) => parseOwnBody(request, channel.settings),
});

function verifyHeader(request: WebhookRequest, { secrets, settings }: Channel): Verdict {
  if (settings.header === 'authorization') return verifyBearer(request, secrets.token);
  const header = soleHeader(request.headers, settings.header, 'missing_credentials');
  return 'refusal' in header ? header.refusal : verifyToken(header.value, secrets.token);
}
