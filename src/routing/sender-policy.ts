import { z } from 'zod';
import type { ChannelKind } from '../lib/channel-kinds.ts';
import { normalizeIdentity } from '../lib/identity.ts';
import { meetsTrust, trustLevels, type TrustLevel } from './trust.ts';

const senderPattern = z
  .string()
  .trim()
  .min(1)
  // An e-mail address has at most 320 characters, and no other identity is longer.
  .max(320)
  .regex(/^(?:\*?[^*]+|[^*]+\*|\*)$/, {
    error: 'a pattern has at most one "*", as its first or its last character, such as *@example.com or +1555*',
  });

/**
 * Who may write to a route. `{}` lets everyone in. `deny` is asked first, then `minimumTrust`, then
 * `allow`; an `allow` list that does not name the sender refuses, an empty one refuses everybody.
 * A pattern is an exact identity, `*@example.com`, `+1555*`, or `*` alone for everybody.
 */
export const senderPolicy = z.strictObject({
  minimumTrust: z.enum(trustLevels).optional(),
  allow: z.array(senderPattern).max(1000).optional(),
  deny: z.array(senderPattern).max(1000).optional(),
});
export type SenderPolicy = z.infer<typeof senderPolicy>;

export type Refusal = 'sender_denied' | 'trust_too_low' | 'sender_not_allowed' | 'policy_unreadable';
export type Admission = { readonly admitted: true } | { readonly admitted: false; readonly reason: Refusal };

type Matcher = (identity: string) => boolean;
interface CompiledPolicy {
  readonly minimumTrust: TrustLevel | undefined;
  readonly allow: Matcher | undefined;
  readonly deny: Matcher | undefined;
}

/**
 * Asks a route's policy, as it is stored, about a sender. A policy that this version cannot read
 * refuses: a gate that is broken stays shut. Null and undefined count as `{}`.
 */
export function admitSender(
  stored: unknown,
  sender: { readonly channel: ChannelKind; readonly externalIdentity: string },
  trust: TrustLevel,
): Admission {
  const policy = compilePolicy(stored ?? {}, sender.channel);
  if (!policy) return { admitted: false, reason: 'policy_unreadable' };
  const { minimumTrust, allow, deny } = policy;
  const identity = allow || deny ? normalizeIdentity(sender.channel, sender.externalIdentity) : '';
  if (deny?.(identity)) return { admitted: false, reason: 'sender_denied' };
  if (minimumTrust && !meetsTrust(trust, minimumTrust)) return { admitted: false, reason: 'trust_too_low' };
  if (allow && !allow(identity)) return { admitted: false, reason: 'sender_not_allowed' };
  return { admitted: true };
}

// One route decides many messages of a batch, and normalising a phone number takes about 10 µs:
// a policy is compiled once for as long as the object that holds it lives.
const compiled = new WeakMap<object, Map<ChannelKind, CompiledPolicy | null>>();

function compilePolicy(stored: unknown, kind: ChannelKind): CompiledPolicy | null {
  if (typeof stored !== 'object' || stored === null) return null;
  const perKind = compiled.get(stored) ?? new Map<ChannelKind, CompiledPolicy | null>();
  compiled.set(stored, perKind);
  const known = perKind.get(kind);
  if (known !== undefined) return known;
  const parsed = senderPolicy.safeParse(stored);
  const policy = parsed.success
    ? {
        minimumTrust: parsed.data.minimumTrust,
        allow: parsed.data.allow && compilePatterns(kind, parsed.data.allow),
        deny: parsed.data.deny && compilePatterns(kind, parsed.data.deny),
      }
    : null;
  perKind.set(kind, policy);
  return policy;
}

function compilePatterns(kind: ChannelKind, patterns: readonly string[]): Matcher {
  const exact = new Set<string>();
  const prefixes: string[] = [];
  const suffixes: string[] = [];
  for (const pattern of patterns) {
    if (pattern.startsWith('*')) suffixes.push(normalizePart(kind, pattern.slice(1)));
    else if (pattern.endsWith('*')) prefixes.push(normalizePart(kind, pattern.slice(0, -1)));
    else exact.add(normalizeIdentity(kind, pattern));
  }
  return (identity) =>
    exact.has(identity) ||
    suffixes.some((suffix) => identity.endsWith(suffix)) ||
    prefixes.some((prefix) => identity.startsWith(prefix));
}

/** The same normal form as `normalizeIdentity`, for a part of an identity: `+1 (555) *` is `+1555*`. */
function normalizePart(kind: ChannelKind, part: string): string {
  const isPhone = kind === 'sms' || kind === 'voice' || kind === 'whatsapp';
  return isPhone && /^\+?[\d\s().-]*$/.test(part) ? part.replace(/[\s().-]/g, '') : normalizeIdentity(kind, part);
}
