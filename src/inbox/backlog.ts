import { sql, type Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';

/** Counts end here: beyond it, "many" is answer enough. */
const most = 10_000;

/** Messages that wait, over all tenants. */
export interface MessageBacklog {
  readonly toRoute: number;
  /** Set aside, because their channel is paused. */
  readonly held: number;
  /** How long the first in the row has waited, in seconds; null where none waits. */
  readonly oldestSeconds: number | null;
}

/** Cheap enough to be asked at every look: it reads no more than the first of two partial indexes. */
export async function countMessages(db: Kysely<Database>): Promise<MessageBacklog> {
  const { rows } = await sql<MessageBacklog>`
    select
      (select count(*) from (select from inbound_messages where status = 'received' and not held limit ${most}) m)::int
        as "toRoute",
      (select count(*) from (select from inbound_messages where held limit ${most}) h)::int as "held",
      (select greatest(extract(epoch from now() - created_at), 0)::float8 from inbound_messages
        where status = 'received' and not held order by arrival, id limit 1) as "oldestSeconds"`.execute(db);
  return rows[0] as MessageBacklog;
}
