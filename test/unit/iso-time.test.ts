import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isoOf } from '../../src/lib/iso-time.ts';

describe('isoOf', () => {
  it('writes every moment as toISOString does', () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true }), fc.integer({ min: 0, max: 90_000_000 }), (moment, later) => {
        const next = new Date(Math.min(moment.getTime() + later, 8.64e15));
        // The second is of the same day, or of the next.
        for (const one of [moment, next]) expect(isoOf(one)).toBe(one.toISOString());
      }),
    );
  });

  it('refuses what is no date, as toISOString does', () => {
    expect(() => isoOf(new Date(Number.NaN))).toThrow(RangeError);
  });
});
