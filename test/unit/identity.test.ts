import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { channelKinds } from '../../src/lib/channel-kinds.ts';
import { normalizeIdentity } from '../../src/lib/identity.ts';

test.each([
  ['email', '  Alice@Example.COM ', 'alice@example.com'],
  ['sms', '+1 (415) 555-0123', '+14155550123'],
  ['whatsapp', '+49 30 1234567', '+49301234567'],
  ['voice', '+44 20 7946 0018', '+442079460018'],
  ['sms', '32665', '32665'],
  ['sms', 'POSTROOM', 'POSTROOM'],
  ['sms', '+1', '+1'],
  ['slack', 't0postrm1:u0alice01', 'T0POSTRM1:U0ALICE01'],
  ['webhook', ' User_42 ', 'User_42'],
  ['telegram', '@Alice', '@Alice'],
] as const)('%s %j becomes %j', (kind, raw, expected) => {
  expect(normalizeIdentity(kind, raw)).toBe(expected);
});

test('a text that only contains a number, or has an extension, is not that number', () => {
  for (const raw of ['+14155550123;ext=5', '+14155550123 x5', '+14155550123 or +14155550124', '+1415555012345678901']) {
    expect(normalizeIdentity('sms', raw)).toBe(raw);
  }
});

test('normalising twice is the same as once, for any text', () => {
  const raw = fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^\+[0-9 ()-]{0,20}$/));
  fc.assert(
    fc.property(fc.constantFrom(...channelKinds), raw, (kind, text) => {
      const once = normalizeIdentity(kind, text);
      expect(normalizeIdentity(kind, once)).toBe(once);
    }),
    { numRuns: 500 },
  );
});
