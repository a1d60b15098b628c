import { sql, type Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';

/** By how many the limits of targets are shared, and which of them this process is, counted from 0. */
export interface Share {
  readonly workers: number;
  readonly rank: number;
}

/**
 * Notes that a worker lives, and counts those that do: who was not seen for a lease's time does not
 * count, and who was not seen for a day is forgotten.
 */
export async function noteWorker(db: Kysely<Database>, name: string, leaseSeconds: number): Promise<Share> {
  await sql`
    with gone as (delete from workers where seen_at < now() - interval '1 day')
    insert into workers (name, seen_at) values (${name}, now())
    on conflict (name) do update set seen_at = now()`.execute(db);
  const { rows } = await sql<Share>`
    select count(*)::int as workers, (count(*) filter (where name < ${name}))::int as rank
    from workers where seen_at > now() - ${leaseSeconds}::int * interval '1 second'`.execute(db);
  return rows[0] ?? { workers: 1, rank: 0 };
}

/** Gives this worker's share to the others. */
export async function leaveWorkers(db: Kysely<Database>, name: string): Promise<void> {
  await db.deleteFrom('workers').where('name', '=', name).execute();
}
