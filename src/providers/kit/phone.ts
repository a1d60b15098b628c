import type { ChannelKind } from '../../lib/channel-kinds.ts';
import { normalizeIdentity } from '../../lib/identity.ts';
import { boundId } from './fields.ts';

/**
 * Providers that write international numbers without the plus: `447700900001` is `+447700900001`.
 * Short codes (`32665`) and senders with a name stay as they are.
 */
export function withPlus(number: string): string {
  const bare = number.trim();
  return /^[1-9]\d{7,14}$/.test(bare) ? `+${bare}` : bare;
}

/** A sender or recipient as stored: with the plus where it is a number, in the form of its kind. */
export function readPhone(kind: ChannelKind, raw: string): string {
  return boundId(normalizeIdentity(kind, withPlus(raw)));
}

/** The same where there may be none. */
export function phoneOrNull(kind: ChannelKind, raw: string | null | undefined): string | null {
  return raw?.trim() ? readPhone(kind, raw) : null;
}
