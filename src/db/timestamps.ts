import pg from 'pg';

const timestamptz = pg.types.builtins.TIMESTAMPTZ;
const parseAny = pg.types.getTypeParser(timestamptz) as (text: string) => Date;

/**
 * Reads a `timestamptz` as PostgreSQL writes it. Where its session is at UTC (`2026-11-21
 * 10:00:00.123456+00`, with no more of a fraction than there is) the digits stand at fixed places, and
 * are read several times as fast as pg's own parser reads anything. A claim of 500 has 2,000 of them.
 */
export function parseTimestamp(text: string): Date {
  const digit = (at: number): number => text.charCodeAt(at) - 48;
  const two = (at: number): number => digit(at) * 10 + digit(at + 1);
  const year = two(0) * 100 + two(2);
  // Years of two digits are of the last century to Date.UTC.
  if (text[4] !== '-' || text[10] !== ' ' || !text.endsWith('+00') || year < 100) return parseAny(text);
  const digits = text.length - 23;
  const milliseconds =
    (digits > 0 ? digit(20) * 100 : 0) + (digits > 1 ? digit(21) * 10 : 0) + (digits > 2 ? digit(22) : 0);
  return new Date(Date.UTC(year, two(5) - 1, two(8), two(11), two(14), two(17), milliseconds));
}

/** pg's parsers, with the one above among them. */
export const typeParsers: pg.CustomTypesConfig = {
  getTypeParser: (...[oid, format]: Parameters<typeof pg.types.getTypeParser>) =>
    oid === timestamptz && format !== 'binary' ? parseTimestamp : pg.types.getTypeParser(oid, format),
};
