import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { Kysely, PGliteDialect } from 'kysely';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { openPostgres } from '../../src/db/client.ts';
import { migrateToLatest } from '../../src/db/migrate.ts';
import { silentLogger } from '../../src/lib/logger.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** A tar of a migrated embedded database: loading it takes 0.3 s, migrating a new one 3 s. */
    embeddedTemplate: string;
    /** A migrated PostgreSQL database to clone, and a URL to clone it with; undefined without a server. */
    postgresTemplate: { name: string; adminUrl: string } | undefined;
  }
}

/** Makes a migrated database of each kind once; every test file gets a copy. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'postroom-test-'));
  const pglite = await PGlite.create();
  const db = new Kysely({ dialect: new PGliteDialect({ pglite }) });
  await migrateToLatest(db, silentLogger);
  const template = join(folder, 'template.tar');
  writeFileSync(template, Buffer.from(await (await pglite.dumpDataDir('none')).arrayBuffer()));
  await pglite.close();
  project.provide('embeddedTemplate', template);

  const adminUrl = process.env['TEST_DATABASE_URL'];
  const name = `postroom_template_${process.pid}`;
  if (adminUrl !== undefined && adminUrl !== '') {
    await onServer(adminUrl, `drop database if exists ${name}`, `create database ${name}`);
    const handle = openPostgres(withDatabase(adminUrl, name), silentLogger, { poolSize: 2, patient: true });
    await migrateToLatest(handle.db, silentLogger);
    await handle.close();
    project.provide('postgresTemplate', { name, adminUrl });
  } else {
    project.provide('postgresTemplate', undefined);
  }

  return async () => {
    rmSync(folder, { recursive: true, force: true });
    if (adminUrl) await onServer(adminUrl, `drop database if exists ${name} with (force)`);
  };
}

async function onServer(url: string, ...statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}
