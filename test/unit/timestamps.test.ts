import fc from 'fast-check';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { parseTimestamp } from '../../src/db/timestamps.ts';

const byPg = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ) as (text: string) => unknown;

describe('parseTimestamp', () => {
  it.each([
    '2026-11-21 15:04:45.123456+00',
    '2026-11-21 15:04:45.1+00',
    '2026-11-21 15:04:45+00',
    '2026-11-21 15:04:45.5+05:30',
    '2026-11-21 15:04:45-08',
    '0001-01-01 00:00:00+00',
    '0044-03-15 00:00:00+00 BC',
    '12026-11-21 15:04:45+00',
    'infinity',
    '-infinity',
  ])('reads %s as pg does', (text) => {
    expect(parseTimestamp(text)).toEqual(byPg(text));
  });

  it('reads every moment as pg does, to the millisecond', () => {
    const moments = fc.date({ min: new Date('0100-01-01'), max: new Date('9999-12-31'), noInvalidDate: true });
    fc.assert(
      fc.property(moments, fc.integer({ min: 0, max: 999 }), (moment, micros) => {
        const iso = moment.toISOString();
        const text = `${iso.slice(0, 10)} ${iso.slice(11, -1)}${String(micros).padStart(3, '0')}+00`;
        expect(parseTimestamp(text)).toEqual(byPg(text));
        expect(parseTimestamp(text).getTime()).toBe(moment.getTime());
      }),
    );
  });
});
