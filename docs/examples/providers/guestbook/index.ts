import { z } from 'zod';
import { defineProvider, secretList } from '../../../../src/provider.ts';
import { boundId, dateFromMillis, readJson, textField } from '../../../../src/providers/kit/fields.ts';
import { accepted, decodeHex, equalBytes, hmac, refused, soleHeader } from '../../../../src/providers/kit/signature.ts';

/** The fields that we read. With `textField` one of the wrong type counts as absent. */
const entry = z.object({
  id: z.string(),
  member: z.string(),
  name: textField,
  page: textField,
  text: textField,
  writtenAt: textField,
});

/** An imaginary guestbook whose members sign in before they write. */
export const guestbook = defineProvider({
  name: 'guestbook',
  kind: 'webhook',
  title: 'Guestbook',
  secrets: z.strictObject({ key: secretList('The signing key, under Settings, Webhooks.') }),
  settings: z.strictObject({}),
  setup: {
    steps: ['Settings, Webhooks: enter {ingestUrl} as the URL and copy the signing key into the secret key.'],
    address: 'The page with the guestbook, such as /welcome.',
  },

  /** `X-Guestbook-Signature: sha256=<hex>`, the HMAC-SHA256 of the raw body. It signs no time. */
  verify(request, channel) {
    const header = soleHeader(request.headers, 'x-guestbook-signature', 'missing_signature');
    if ('refusal' in header) return header.refusal;
    const given = header.value.startsWith('sha256=') ? decodeHex(header.value.slice(7), 32) : undefined;
    const matches = channel.secrets.key.some((key) => given && equalBytes(given, hmac('sha256', key, request.body)));
    return matches ? accepted : refused('bad_signature');
  },

  /** Throws where the body is not JSON; the event is then kept as `unparsed`. */
  parse(request) {
    const { data } = entry.safeParse(readJson(request.body));
    if (!data) return { deliveryId: null, messages: [], ignored: [{ reason: 'no_entry' }] };
    const message = {
      channel: 'webhook' as const,
      externalIdentity: boundId(data.member.trim() || 'unknown'),
      displayName: data.name ?? null,
      recipient: data.page ? boundId(data.page) : null,
      text: data.text ?? null,
      channelMessageId: boundId(data.id),
      channelThreadId: null,
      attachments: [],
      channelMetadata: {},
      sentAt: dateFromMillis(Date.parse(data.writtenAt ?? '')),
      vouched: true,
      // The id is in the body and so covered by the signature: a replay is the same message.
      dedupeKey: boundId(data.id),
    };
    return { deliveryId: null, messages: [message], ignored: [] };
  },
});
