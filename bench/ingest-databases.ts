import { mkdirSync, mkdtempSync, statfsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { messageOf } from '../src/lib/errors.ts';

/** A PostgreSQL server that answers. */
export interface Postgres {
  readonly version: string;
  readonly fsync: string;
  readonly synchronousCommit: string;
  /** Makes an empty database, to be dropped at the end, and returns its URL. */
  createDatabase(way: string, onEnd: (undo: () => Promise<void>) => void): Promise<string>;
}

const defaultUrl = 'postgres://postgres@127.0.0.1:5432/postgres';

/**
 * The server of TEST_DATABASE_URL or DATABASE_URL, else the usual local one.
 *
 * @returns undefined where none answers and none was asked for.
 * @throws Error where one was asked for and does not answer.
 */
export async function findPostgres(): Promise<Postgres | undefined> {
  const given = process.env['TEST_DATABASE_URL'] || process.env['DATABASE_URL'];
  const url = given || defaultUrl;
  let settings: Record<string, string> | undefined;
  try {
    [settings] = await query(
      url,
      `select current_setting('server_version') as version, current_setting('fsync') as fsync,
        current_setting('synchronous_commit') as synchronous_commit`,
    );
  } catch (error) {
    if (given) throw new Error(`the PostgreSQL server does not answer: ${messageOf(error)}`, { cause: error });
    return undefined;
  }
  return {
    version: settings?.['version'] ?? '',
    fsync: settings?.['fsync'] ?? '',
    synchronousCommit: settings?.['synchronous_commit'] ?? '',
    async createDatabase(way, onEnd) {
      const name = `postroom_bench_${process.pid}_${way}`;
      onEnd(async () => void (await query(url, `drop database if exists ${name} with (force)`)));
      await query(url, `create database ${name}`);
      const databaseUrl = new URL(url);
      databaseUrl.pathname = `/${name}`;
      return databaseUrl.href;
    },
  };
}

async function query(url: string, statement: string): Promise<Record<string, string>[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    return (await client.query<Record<string, string>>(statement)).rows;
  } finally {
    await client.end();
  }
}

/** Linux's number for a file system in memory, on which fsync costs nothing. */
const tmpfs = 0x01021994;

/** An empty folder on a disk: the system's own for such, or where that is memory, one of the checkout. */
export function createTemporaryFolder(): { path: string; remove: () => Promise<void> } {
  let parent = tmpdir();
  if (statfsSync(parent).type === tmpfs) {
    parent = join(import.meta.dirname, '../node_modules/.cache');
    mkdirSync(parent, { recursive: true });
  }
  const path = mkdtempSync(join(parent, 'postroom-bench-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
