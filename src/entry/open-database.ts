import type { Config } from '../config.ts';
import { openEmbeddedDatabase, openPostgres, type DatabaseHandle } from '../db/client.ts';
import { migrateToLatest } from '../db/migrate.ts';
import type { Logger } from '../lib/logger.ts';

/**
 * Opens whichever database is configured and brings its schema up to date.
 *
 * @throws Error where another process has the embedded database open, or PostgreSQL is not reached.
 */
export async function openDatabase(config: Config, logger: Logger): Promise<DatabaseHandle> {
  if (config.databaseUrl === undefined) {
    const database = await openEmbeddedDatabase(config.dataDir);
    await migrateToLatest(database.db, logger);
    return database;
  }
  const patient = openPostgres(config.databaseUrl, logger, { poolSize: 2, patient: true });
  try {
    await migrateToLatest(patient.db, logger);
  } finally {
    await patient.close();
  }
  return openPostgres(config.databaseUrl, logger, { poolSize: config.databasePoolSize });
}
