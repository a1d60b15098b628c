import { sql, type Kysely } from 'kysely';
import { messageOf } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import type { Database } from './schema.ts';

/**
 * Tells other processes that there is work, at most once per `everyMs`. Apart from the commits that
 * made the work: NOTIFY takes a lock of the whole server while it commits, and a notice that is lost
 * costs no more than one polling interval.
 */
export function createNotifier(db: Kysely<Database>, channel: string, everyMs: number, logger: Logger): () => void {
  let last = 0;
  let timer: NodeJS.Timeout | undefined;

  function send(): void {
    timer = undefined;
    last = performance.now();
    sql`select pg_notify(${channel}, '')`.execute(db).catch((error: unknown) => {
      logger.debug({ error: messageOf(error), channel }, 'a notice was not sent');
    });
  }

  return () => {
    if (timer) return;
    const wait = Math.max(0, last + everyMs - performance.now());
    timer = setTimeout(send, wait);
    timer.unref();
  };
}
