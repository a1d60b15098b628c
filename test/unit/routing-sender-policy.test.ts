import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChannelKind } from '../../src/lib/channel-kinds.ts';
import { admitSender, senderPolicy, type SenderPolicy } from '../../src/routing/sender-policy.ts';
import { trustLevels, type TrustLevel } from '../../src/routing/trust.ts';

function ask(policy: unknown, channel: ChannelKind, externalIdentity: string, trust: TrustLevel = 'unknown'): string {
  const answer = admitSender(policy, { channel, externalIdentity }, trust);
  return answer.admitted ? 'admitted' : answer.reason;
}

describe('a sender policy', () => {
  it('lets everyone in when it is empty or absent', () => {
    for (const policy of [{}, null, undefined]) expect(ask(policy, 'email', 'who@ever.test')).toBe('admitted');
  });

  it('compares e-mail addresses without regard to case', () => {
    expect(ask({ allow: ['Ann@Example.COM'] }, 'email', 'ann@example.com')).toBe('admitted');
    expect(ask({ allow: ['*@EXAMPLE.com'] }, 'email', 'Bob@example.com')).toBe('admitted');
    expect(ask({ allow: ['*@example.com'] }, 'email', 'bob@example.com.evil.test')).toBe('sender_not_allowed');
    expect(ask({ allow: ['*@example.com'] }, 'email', 'bob@evilexample.com')).toBe('sender_not_allowed');
  });

  it('compares phone numbers in their normal form, however they are written', () => {
    expect(ask({ allow: ['+1 (415) 555-2671'] }, 'sms', '+14155552671')).toBe('admitted');
    expect(ask({ allow: ['+1 (415) *'] }, 'sms', '+14155552671')).toBe('admitted');
    expect(ask({ allow: ['+1415*'] }, 'whatsapp', '+1 416 555 2671')).toBe('sender_not_allowed');
  });

  it('compares Slack users and whole Slack teams', () => {
    expect(ask({ allow: ['t1:u2'] }, 'slack', 'T1:U2')).toBe('admitted');
    expect(ask({ deny: ['t1:*'] }, 'slack', 'T1:U9')).toBe('sender_denied');
  });

  it('takes a lone star for everybody, and an empty allow list for nobody', () => {
    expect(ask({ deny: ['*'] }, 'webhook', 'x')).toBe('sender_denied');
    expect(ask({ allow: ['*'] }, 'webhook', 'x')).toBe('admitted');
    expect(ask({ allow: [] }, 'webhook', 'x')).toBe('sender_not_allowed');
  });

  it('lets deny beat allow, and trust beat allow', () => {
    const policy = { allow: ['*@a.test'], deny: ['eve@a.test'], minimumTrust: 'unverified' };
    expect(ask(policy, 'email', 'eve@a.test', 'verified')).toBe('sender_denied');
    expect(ask(policy, 'email', 'ann@a.test', 'unknown')).toBe('trust_too_low');
    expect(ask(policy, 'email', 'ann@a.test', 'unverified')).toBe('admitted');
  });

  it.each(['a*b', '**', '*a*', '*@*.test', '', '   ', 'x'.repeat(321)])('does not accept the pattern %j', (pattern) => {
    expect(senderPolicy.safeParse({ allow: [pattern] }).success).toBe(false);
    expect(senderPolicy.safeParse({ deny: [pattern] }).success).toBe(false);
  });

  it('says what is wrong with a pattern, and refuses words it does not know', () => {
    expect(senderPolicy.safeParse({ allow: ['a*b'] }).error?.issues[0]?.message).toContain('at most one "*"');
    expect(senderPolicy.safeParse({ permit: ['a'] }).success).toBe(false);
    expect(senderPolicy.safeParse({ minimumTrust: 'some' }).success).toBe(false);
  });

  it('stays shut where the stored policy cannot be read', () => {
    for (const policy of [{ allow: 'a@b.test' }, { minTrust: 'verified' }, [], 'x', 1]) {
      expect(ask(policy, 'email', 'a@b.test', 'verified')).toBe('policy_unreadable');
    }
  });

  it('never admits a denied sender, nor one below the minimum, whatever else it says', () => {
    const identity = fc.constantFrom('ann@a.test', 'bob@a.test', 'eve@b.test');
    const pattern = fc.constantFrom('ann@a.test', '*@a.test', 'eve*', '*', 'nobody@c.test');
    const policies: fc.Arbitrary<SenderPolicy> = fc.record(
      { minimumTrust: fc.constantFrom(...trustLevels), allow: fc.array(pattern), deny: fc.array(pattern) },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(policies, identity, fc.constantFrom(...trustLevels), (policy, sender, trust) => {
        const admitted = ask(policy, 'email', sender, trust) === 'admitted';
        const denied = ask({ deny: policy.deny ?? [] }, 'email', sender) !== 'admitted';
        const below = trustLevels.indexOf(trust) < trustLevels.indexOf(policy.minimumTrust ?? 'unknown');
        const allowed = policy.allow === undefined || ask({ allow: policy.allow }, 'email', sender) === 'admitted';
        expect(admitted).toBe(!denied && !below && allowed);
      }),
    );
  });
});
