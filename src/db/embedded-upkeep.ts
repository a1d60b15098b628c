import { sql, type Kysely } from 'kysely';
import { messageOf } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import type { Database } from './schema.ts';

const checkpointEveryMs = 60_000;
const vacuumEveryMs = 15 * 60_000;
/** What changes all the time; the other tables hardly grow dead rows. */
const busyTables = ['deliveries', 'inbound_messages', 'attempts'];

/**
 * PGlite runs no automatic checkpoint and no autovacuum: without these its WAL grows without bound
 * (to 1.8 GB under load) and claims slow down over dead rows. Returns what stops it.
 */
export function keepEmbeddedTidy(db: Kysely<Database>, logger: Logger): () => void {
  const run = (statement: string): void => {
    sql
      .raw(statement)
      .execute(db)
      .catch((error: unknown) => {
        logger.warn({ error: messageOf(error), statement }, 'upkeep of the embedded database failed');
      });
  };
  const timers = [
    setInterval(() => run('checkpoint'), checkpointEveryMs),
    setInterval(() => busyTables.forEach((table) => run(`vacuum (analyze) ${table}`)), vacuumEveryMs),
  ];
  return () => timers.forEach((timer) => clearInterval(timer));
}
