import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { defineProvider, secretList, type Parsed, type ProviderChannel, type WebhookRequest } from '../../provider.ts';
import { parseOwnBody, type HeaderId } from '../kit/json-message/own-body.ts';
import { hmacSettings, type HmacSettings } from './settings.ts';
import { countPlaceholder, parseTemplate } from './template.ts';
import { verifyHmac } from './verify.ts';

/** Any JSON or form that is signed with an HMAC, in whichever way. Source: RFC 2104. */
export const hmac = defineProvider({
  name: 'hmac',
  kind: 'webhook',
  title: 'Signed by HMAC (any JSON)',
  secrets: z.strictObject({
    secret: secretList('The key that the sender signs with, in the form that the setting secretEncoding names.'),
  }),
  settings: hmacSettings,
  setup: {
    steps: [
      'Read in the documentation of the sending system how it signs: which header, which hash, which text is signed.',
      'Set header, algorithm, encoding, prefix, secretEncoding, template and, where a time is signed, timestampHeader and timestampUnit to that.',
      'Enter {ingestUrl} as the URL there, and the same secret on both sides: theirs as the secret secret, or the one made here over there.',
      'Set the JSON pointers sender, text, id, thread, displayName, recipient and sentAt where its payload differs from the defaults, and eventId where it numbers its events.',
      'Send a test event. Where it is refused, the channel’s rejections say why.',
    ],
    address: 'The value at the pointer recipient, such as orders; none is needed where the payload names no recipient.',
  },
  methods: ['POST', 'PUT', 'PATCH'],
  // As hex it is a key in each of the encodings that a secret may have.
  newSecret: () => randomBytes(32).toString('hex'),
  verify: verifyHmac,
  parse: parseHmac,
});

function parseHmac(request: WebhookRequest, channel: ProviderChannel<Record<string, string[]>, HmacSettings>): Parsed {
  return parseOwnBody(request, channel.settings, readHeaderId(request, channel.settings));
}

function readHeaderId(request: WebhookRequest, settings: HmacSettings): HeaderId | undefined {
  const value = settings.idHeader === undefined ? null : request.headers.get(settings.idHeader);
  if (!value) return undefined;
  return { value, isSigned: countPlaceholder(parseTemplate(settings.template) ?? [], 'id') > 0 };
}
