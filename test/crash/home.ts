import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { openEmbedded } from '../../src/db/embedded.ts';
import { newSealingKey } from '../../src/lib/sealing.ts';

export type DatabaseKind = 'embedded' | 'postgres';

/** Where a server's data lives, outliving each of its processes. */
export interface Home {
  readonly kind: DatabaseKind;
  readonly token: string;
  /** What a server process needs to work here. */
  readonly env: Readonly<Record<string, string>>;
  /** Asks the database itself; with the embedded one only while no server runs. */
  query(statement: string): Promise<Record<string, unknown>[]>;
  /** Removes everything again. */
  remove(): Promise<void>;
}

const token = 'crash-test-admin-token';
let counter = 0;

/**
 * Makes a fresh home: a temporary folder, or a database of its own on the PostgreSQL server of
 * `TEST_DATABASE_URL`.
 */
export async function createHome(kind: DatabaseKind, adminUrl = process.env['TEST_DATABASE_URL']): Promise<Home> {
  const folder = mkdtempSync(join(tmpdir(), 'postroom-crash-'));
  const common = { POSTROOM_ADMIN_TOKEN: token, LEASE_SECONDS: '2', DATA_DIR: folder };
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  process.on('exit', removeFolder);
  const forget = (): void => {
    removeFolder();
    process.off('exit', removeFolder);
  };
  if (kind === 'embedded') {
    return {
      kind,
      token,
      env: common,
      async query(statement) {
        const { pglite, close } = await openEmbedded(folder);
        try {
          return (await pglite.query<Record<string, unknown>>(statement)).rows;
        } finally {
          await close();
        }
      },
      remove: async () => forget(),
    };
  }
  if (!adminUrl) throw new Error('TEST_DATABASE_URL must say where PostgreSQL is');
  counter += 1;
  const name = `postroom_crash_${process.pid}_${counter}`;
  await ask(adminUrl, `create database ${name}`);
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return {
    kind,
    token,
    env: {
      ...common,
      DATABASE_URL: url.href,
      POSTROOM_SECRET_KEY: newSealingKey(),
      DATABASE_POOL_SIZE: '6',
    },
    query: (statement) => ask(url.href, statement),
    async remove() {
      forget();
      await ask(adminUrl, `drop database if exists ${name} with (force)`);
    },
  };
}

async function ask(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}
