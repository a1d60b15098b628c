import { z } from 'zod';
import { isInRanges, parseRange } from '../../lib/client-address.ts';
import {
  defineProvider,
  type ProviderChannel,
  type Verdict,
  type VerifyContext,
  type WebhookRequest,
} from '../../provider.ts';
import { parseOwnBody } from '../kit/json-message/own-body.ts';
import { ownBodySettings } from '../kit/json-message/settings.ts';
import { accepted, refused } from '../kit/signature.ts';

/** Written out in full: other spellings of an address (`10`, `0x7f.1`) are read as one nobody meant. */
const range = z
  .union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()], 'an IP address or a range, such as 192.0.2.7 or 2001:db8::/32')
  .refine((text) => !text.endsWith('/0'), 'a range that everybody is in lets everybody in')
  .refine((text) => !/^(?:0{0,4}:){2,5}ffff:.*\//i.test(text), 'an IPv4 range is written as such: 192.0.2.0/24');

const ipAllowListSettings = z.strictObject({
  ...ownBodySettings.shape,
  vouched: z
    .boolean()
    .default(false)
    .describe('Whether the system that posts here has checked who the sender is, and nobody else has its addresses.'),
  allow: z
    .array(range)
    .min(1)
    .max(256)
    .describe('The addresses and ranges that may post here, such as 192.0.2.7, 198.51.100.0/24 or 2001:db8::/32.'),
});
type Channel = ProviderChannel<Record<string, string[]>, z.output<typeof ipAllowListSettings>>;

/** Any JSON or form that comes from certain addresses. There is no secret: see its page for what that is worth. */
export const ipAllowList = defineProvider({
  name: 'ip-allow-list',
  kind: 'webhook',
  title: 'IP addresses (any JSON)',
  secrets: z.strictObject({}),
  settings: ipAllowListSettings,
  setup: {
    steps: [
      'Where the sending system can sign, or at least send a token or a password, use hmac, bearer or basic instead: an address proves little.',
      'Find the addresses that it sends from in its documentation and list them in the setting allow.',
      'Behind a load balancer or proxy, TRUSTED_PROXIES must name it: otherwise every request comes from its address.',
      'Enter {ingestUrl} as the URL there, and keep it secret.',
      'Set the JSON pointers sender, text, id, thread, displayName, recipient and sentAt where its payload differs from the defaults, and eventId where it numbers its events.',
    ],
    address: 'The value at the pointer recipient, such as orders; none is needed where the payload names no recipient.',
  },
  methods: ['POST', 'PUT', 'PATCH'],
  verify: verifyAddress,
  parse: (request, channel) => parseOwnBody(request, channel.settings),
});

/** Where nobody knows the address, nobody is let in. */
function verifyAddress(
  _request: WebhookRequest,
  channel: Channel,
  { clientAddress }: Pick<VerifyContext, 'clientAddress'>,
): Verdict {
  const ranges = channel.settings.allow.flatMap((text) => {
    const parsed = parseRange(text);
    return parsed ? [parsed] : [];
  });
  return clientAddress !== null && isInRanges(clientAddress, ranges) ? accepted : refused('address_not_allowed');
}
