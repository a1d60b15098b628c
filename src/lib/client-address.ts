import ipaddr from 'ipaddr.js';

/** An address range: `10.0.0.0/8`, `2001:db8::/32`, or a single address. */
export type AddressRange = readonly [address: ipaddr.IPv4 | ipaddr.IPv6, bits: number];

/** Reads a CIDR or a single address; undefined where it is neither. */
export function parseRange(text: string): AddressRange | undefined {
  if (ipaddr.isValidCIDR(text)) return ipaddr.parseCIDR(text);
  if (!ipaddr.isValid(text)) return undefined;
  const address = ipaddr.process(text);
  return [address, address.kind() === 'ipv4' ? 32 : 128];
}

/** Whether an address is in one of the ranges. `::ffff:192.0.2.1` is 192.0.2.1; what is no address is in none. */
export function isInRanges(text: string, ranges: readonly AddressRange[]): boolean {
  if (!ipaddr.isValid(text)) return false;
  const address = ipaddr.process(text);
  return ranges.some(([base, bits]) => base.kind() === address.kind() && address.match(base, bits));
}

/**
 * Who sent a request: the peer of the connection, or where that is a proxy that we trust the last
 * address in X-Forwarded-For that is not one. What stands before it anybody can have written.
 */
export function clientAddress(
  peer: string | undefined,
  forwardedFor: string | null,
  trustedProxies: readonly AddressRange[],
): string | null {
  if (peer === undefined || !ipaddr.isValid(peer)) return null;
  let client = ipaddr.process(peer).toString();
  const hops = (forwardedFor ?? '').split(',').map((hop) => hop.trim());
  while (isInRanges(client, trustedProxies)) {
    const hop = hops.pop();
    if (hop === undefined || hop === '') return client;
    if (!ipaddr.isValid(hop)) return null;
    client = ipaddr.process(hop).toString();
  }
  return client;
}
