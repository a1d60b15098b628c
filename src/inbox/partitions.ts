import { sql, type Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { firstIdAt } from '../lib/ids.ts';

const dayMs = 86_400_000;
/** A week ahead: as long as maintenance may fail before events land in the default partition. */
const daysAhead = 7;

/**
 * Makes the event partitions of today and the next days. `events_default` takes what has none, so a
 * missing partition never refuses an event.
 */
export async function ensureEventPartitions(db: Kysely<Database>, now: Date): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select inhrelid::regclass::text as name from pg_inherits where inhparent = 'events'::regclass`.execute(db);
  const present = new Set(rows.map((row) => row.name));
  const today = Math.floor(now.getTime() / dayMs) * dayMs;
  for (let day = 0; day <= daysAhead; day += 1) {
    const from = new Date(today + day * dayMs);
    const name = `events_${from.toISOString().slice(0, 10).replaceAll('-', '')}`;
    if (present.has(name)) continue;
    const bounds = [firstIdAt(from), firstIdAt(new Date(from.getTime() + dayMs))] as const;
    try {
      await sql
        .raw(
          `create table if not exists ${name} partition of events for values from ('${bounds[0]}') to ('${bounds[1]}')`,
        )
        .execute(db);
    } catch (error) {
      // Another process made it between the look and the statement, or the default partition already
      // holds events of that day: either way nothing is refused.
      if (!/already exists|would be violated|would overlap/.test(String(error))) throw error;
    }
  }
}
