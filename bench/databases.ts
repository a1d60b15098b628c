import { mkdirSync, mkdtempSync, statfsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { messageOf } from '../src/lib/errors.ts';
import type { OnEnd } from './cleanup.ts';

/** A PostgreSQL server that answers. */
export interface Postgres {
  readonly version: string;
  readonly fsync: string;
  readonly synchronousCommit: string;
  readonly autovacuum: string;
  /** Makes an empty database, or a copy of one that nobody is connected to; it is dropped at the end. Returns its URL. */
  createDatabase(way: string, onEnd: OnEnd, template?: string): Promise<string>;
}

const defaultUrl = 'postgres://postgres@127.0.0.1:5432/postgres';

/**
 * The server of BENCH_DATABASE_URL, TEST_DATABASE_URL or DATABASE_URL, else the usual local one.
 *
 * @returns undefined where none answers and none was asked for.
 * @throws Error where one was asked for and does not answer.
 */
export async function findPostgres(): Promise<Postgres | undefined> {
  const { BENCH_DATABASE_URL, TEST_DATABASE_URL, DATABASE_URL } = process.env;
  const given = BENCH_DATABASE_URL || TEST_DATABASE_URL || DATABASE_URL;
  const url = given || defaultUrl;
  let settings: Record<string, string> | undefined;
  try {
    [settings] = await query(
      url,
      `select current_setting('server_version') as version, current_setting('fsync') as fsync,
        current_setting('synchronous_commit') as synchronous_commit, current_setting('autovacuum') as autovacuum`,
    );
  } catch (error) {
    if (given) throw new Error(`the PostgreSQL server does not answer: ${messageOf(error)}`, { cause: error });
    return undefined;
  }
  return {
    version: settings?.['version'] ?? '',
    fsync: settings?.['fsync'] ?? '',
    synchronousCommit: settings?.['synchronous_commit'] ?? '',
    autovacuum: settings?.['autovacuum'] ?? '',
    async createDatabase(way, onEnd, template) {
      const name = `postroom_bench_${process.pid}_${way}`;
      onEnd(async () => void (await query(url, `drop database if exists ${name} with (force)`)));
      const copied = template === undefined ? '' : ` template ${new URL(template).pathname.slice(1)}`;
      await query(url, `create database ${name}${copied}`);
      const databaseUrl = new URL(url);
      databaseUrl.pathname = `/${name}`;
      return databaseUrl.href;
    },
  };
}

/** The server, for a benchmark that makes no sense without one. @throws Error where none answers. */
export async function requirePostgres(): Promise<Postgres> {
  const postgres = await findPostgres();
  if (!postgres) throw new Error('this benchmark needs a PostgreSQL server: set TEST_DATABASE_URL');
  return postgres;
}

/** Says what is measured on, in one line. */
export function describeEnvironment(postgres: Postgres | undefined): string {
  const database = postgres
    ? `PostgreSQL ${postgres.version}, fsync ${postgres.fsync}, synchronous_commit ${postgres.synchronousCommit}, autovacuum ${postgres.autovacuum}`
    : 'no PostgreSQL server answers (TEST_DATABASE_URL or DATABASE_URL)';
  return `${availableParallelism()} cores, Node ${process.versions.node}, ${database}`;
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
