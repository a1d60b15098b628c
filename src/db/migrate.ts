import type { Kysely } from 'kysely';
import { Migrator } from 'kysely/migration';
import { migrations } from '../../migrations/index.ts';
import { codeOf, messageOf } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';

/** How often a migration that got in the way of running processes is tried again, a second apart. */
const maxTries = 60;

/**
 * Brings the schema up to date. Safe in several processes at once on PostgreSQL: one migrates, the
 * others wait. Does nothing where nothing is new. A migration that cannot get its locks, because
 * older processes are at work, gives way and tries again: they must not wait for it.
 *
 * @throws the first migration's error; what ran before it stays.
 */
export async function migrateToLatest(db: Kysely<any>, logger: Logger): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } });
  for (let tries = 1; ; tries += 1) {
    const { error, results } = await migrator.migrateToLatest();
    for (const result of results ?? []) {
      if (result.status === 'Success') logger.info({ migration: result.migrationName }, 'migrated');
    }
    if (!error) return;
    // 40P01 is a deadlock with another process, 55P03 a lock that was not to be had in time.
    if (!/^(?:40P01|55P03)$/.test(codeOf(error) ?? '') || tries === maxTries) throw error;
    logger.warn({ tries, error: messageOf(error) }, 'the migration gives way to running processes; trying again');
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}
