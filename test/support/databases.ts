import { readFile } from 'node:fs/promises';
import { PGlite } from '@electric-sql/pglite';
import { Kysely, PGliteDialect } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, inject } from 'vitest';
import { openPostgres, type DatabaseHandle } from '../../src/db/client.ts';
import { pgliteTypes } from '../../src/db/embedded.ts';
import type { Database } from '../../src/db/schema.ts';
import { silentLogger } from '../../src/lib/logger.ts';

export type DatabaseKind = DatabaseHandle['kind'];

/** The kinds that can be tested here: the embedded one always, PostgreSQL with TEST_DATABASE_URL. */
export const databaseKinds: readonly DatabaseKind[] = process.env['TEST_DATABASE_URL']
  ? ['embedded', 'postgres']
  : ['embedded'];

export interface TestDatabase extends DatabaseHandle {
  /** Another handle on the same PostgreSQL database, as a second process has; the same one if embedded. */
  another(): DatabaseHandle;
}

/** Runs a suite on every kind of database, each on a fresh, migrated database of its own. */
export function describeEachDatabase(
  name: string,
  suite: (database: () => TestDatabase, kind: (typeof databaseKinds)[number]) => void,
): void {
  describe.each(databaseKinds)(`${name} (%s)`, (kind) => {
    let database: TestDatabase | undefined;
    beforeAll(async () => {
      database = await openTestDatabase(kind);
    });
    afterAll(async () => {
      await database?.close();
    });
    suite(() => {
      if (!database) throw new Error('the database is open only while tests run');
      return database;
    }, kind);
  });
}

let counter = 0;

export async function openTestDatabase(kind: DatabaseKind): Promise<TestDatabase> {
  if (kind === 'embedded') return await openEmbeddedCopy();
  const template = inject('postgresTemplate');
  if (!template) throw new Error('TEST_DATABASE_URL is not set');
  counter += 1;
  const name = `postroom_test_${process.pid}_${counter}`;
  await onServer(template.adminUrl, `create database ${name} template ${template.name}`);
  const url = new URL(template.adminUrl);
  url.pathname = `/${name}`;
  const handles: DatabaseHandle[] = [];
  const open = (): DatabaseHandle => {
    const handle = openPostgres(url.href, silentLogger, { poolSize: 6 });
    handles.push(handle);
    return handle;
  };
  return {
    ...open(),
    another: open,
    async close() {
      await Promise.all(handles.map((handle) => handle.close()));
      await onServer(template.adminUrl, `drop database ${name} with (force)`);
    },
  };
}

async function openEmbeddedCopy(): Promise<TestDatabase> {
  const template = await readFile(inject('embeddedTemplate'));
  const pglite = await PGlite.create({ loadDataDir: new Blob([new Uint8Array(template)]), ...pgliteTypes });
  const handle: DatabaseHandle = {
    db: new Kysely<Database>({ dialect: new PGliteDialect({ pglite }) }),
    kind: 'embedded',
    listen: async () => async () => {},
    close: async () => await pglite.close(),
  };
  return { ...handle, another: () => handle };
}

async function onServer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
