import { sql, type Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';

/** What is waiting, over all tenants. Counts end at 10,000: beyond it, "many" is answer enough. */
export interface Backlog {
  readonly messagesToRoute: number;
  readonly deliveriesDue: number;
  readonly deliveriesRunning: number;
}

export async function countBacklog(db: Kysely<Database>): Promise<Backlog> {
  const { rows } = await sql<Backlog>`
    select
      (select count(*) from (select from inbound_messages where status = 'received' and not held limit 10000) m)::int
        as "messagesToRoute",
      (select count(*) from (select from deliveries
        where state = 'pending' and not held and run_at <= now() limit 10000) d)::int as "deliveriesDue",
      (select count(*) from (select from deliveries where state = 'running' limit 10000) r)::int as "deliveriesRunning"
  `.execute(db);
  return rows[0] as Backlog;
}
