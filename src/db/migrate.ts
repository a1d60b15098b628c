import type { Kysely } from 'kysely';
import { Migrator } from 'kysely/migration';
import { migrations } from '../../migrations/index.ts';
import type { Logger } from '../lib/logger.ts';

/**
 * Brings the schema up to date. Safe in several processes at once on PostgreSQL: one migrates, the
 * others wait. Does nothing where nothing is new.
 *
 * @throws the first migration's error; what ran before it stays.
 */
export async function migrateToLatest(db: Kysely<any>, logger: Logger): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } });
  const { error, results } = await migrator.migrateToLatest();
  for (const result of results ?? []) {
    if (result.status === 'Success') logger.info({ migration: result.migrationName }, 'migrated');
  }
  if (error) throw error;
}
