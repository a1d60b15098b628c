import { sql, type RawBuilder } from 'kysely';
import { z } from 'zod';
import { firstIdAt } from '../lib/ids.ts';

/** A time in a filter, such as `2026-11-21T12:00:00Z`. */
const moment = z.iso.datetime({ offset: true });

/** From `since` on, and before `until`. */
export const timeRange = {
  since: moment.optional(),
  until: moment.optional(),
};

/** How far the clocks of the processes that make ids may be from the one that wrote the time. */
const clockMarginMs = 5 * 60_000;

/**
 * Conditions for rows that were made within a time. The column decides; the range of ids, which
 * begin with their time, is what an index finds them by.
 */
export function madeWithin(
  id: string,
  time: string,
  { since, until }: { readonly since?: string | undefined; readonly until?: string | undefined },
): RawBuilder<unknown>[] {
  const bound = (text: string, byMs: number): string => firstIdAt(new Date(Math.max(0, Date.parse(text) + byMs)));
  return [
    ...(since === undefined
      ? []
      : [sql`${sql.ref(id)} >= ${bound(since, -clockMarginMs)}::uuid`, sql`${sql.ref(time)} >= ${since}::timestamptz`]),
    ...(until === undefined
      ? []
      : [sql`${sql.ref(id)} < ${bound(until, clockMarginMs)}::uuid`, sql`${sql.ref(time)} < ${until}::timestamptz`]),
  ];
}
