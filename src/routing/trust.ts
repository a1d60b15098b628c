/** From least to most trusted; `minimumTrust` of a sender policy names one of them. */
export const trustLevels = ['unknown', 'unverified', 'verified'] as const;
export type TrustLevel = (typeof trustLevels)[number];

export type TrustReason =
  | 'verified_link_and_vouched'
  | 'link_not_verified'
  | 'sender_not_vouched'
  | 'link_not_verified_and_sender_not_vouched'
  | 'no_link';

export interface Trust {
  readonly level: TrustLevel;
  readonly reason: TrustReason;
}

/**
 * How far the sender is believed: `verified` takes a verified identity link and a provider that
 * vouches for the sender; with a link but one of the two missing it is `unverified`, without a link
 * `unknown`.
 */
export function assessTrust(link: { readonly verified: boolean } | null, vouched: boolean): Trust {
  if (!link) return { level: 'unknown', reason: 'no_link' };
  if (link.verified && vouched) return { level: 'verified', reason: 'verified_link_and_vouched' };
  if (link.verified) return { level: 'unverified', reason: 'sender_not_vouched' };
  return {
    level: 'unverified',
    reason: vouched ? 'link_not_verified' : 'link_not_verified_and_sender_not_vouched',
  };
}

/** Whether `level` is at least `minimum`. */
export function meetsTrust(level: TrustLevel, minimum: TrustLevel): boolean {
  return trustLevels.indexOf(level) >= trustLevels.indexOf(minimum);
}
