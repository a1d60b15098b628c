import { expect, test } from 'vitest';
import { clientAddress, isInRanges, parseRange, type AddressRange } from '../../src/lib/client-address.ts';

const range = (text: string): AddressRange => {
  const parsed = parseRange(text);
  if (!parsed) throw new Error(`${text} is no range`);
  return parsed;
};
const proxies = ['10.0.0.0/8', '2001:db8::1'].map(range);

test.each([
  ['the peer, where it is no trusted proxy', '192.0.2.1', '198.51.100.7', '192.0.2.1'],
  ['what a trusted proxy says', '10.0.0.1', '198.51.100.7', '198.51.100.7'],
  ['the last one that is not trusted', '10.0.0.1', '6.6.6.6, 198.51.100.7, 10.2.3.4', '198.51.100.7'],
  ['never what stands before it', '10.0.0.1', '127.0.0.1, 198.51.100.7', '198.51.100.7'],
  ['a proxy by IPv6', '2001:db8::1', '2001:db8::9', '2001:db8::9'],
  ['IPv4 inside IPv6, as Node says it', '::ffff:10.0.0.1', '::ffff:198.51.100.7', '198.51.100.7'],
  ['the proxy itself where it says nothing', '10.0.0.1', null, '10.0.0.1'],
  ['the outermost proxy where all are trusted', '10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
  ['nobody, where a proxy says nonsense', '10.0.0.1', 'unknown', null],
  ['nobody, where there is no peer', undefined, '198.51.100.7', null],
])('a request is from %s', (_what, peer, forwardedFor, expected) => {
  expect(clientAddress(peer, forwardedFor, proxies)).toBe(expected);
});

test('ranges are CIDRs or addresses, of either family', () => {
  expect(parseRange('10.0.0.0/33')).toBeUndefined();
  expect(parseRange('example.com')).toBeUndefined();
  expect(isInRanges('::ffff:192.0.2.1', [range('192.0.2.1')])).toBe(true);
  expect(isInRanges('192.0.2.1', [range('::/0')])).toBe(false);
  expect(isInRanges('2001:db8::5', [range('2001:db8::/32')])).toBe(true);
  expect(isInRanges('no address', [range('0.0.0.0/0')])).toBe(false);
});
