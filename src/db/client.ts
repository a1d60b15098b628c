import { Kysely, PGliteDialect, PostgresDialect } from 'kysely';
import pg from 'pg';
import { codeOf } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { openEmbedded } from './embedded.ts';
import { PreparingClient, type PreparingConfig } from './preparing-client.ts';
import type { Database } from './schema.ts';
import { typeParsers } from './timestamps.ts';

/** Whichever database was configured, opened. */
export interface DatabaseHandle {
  readonly db: Kysely<Database>;
  readonly kind: 'postgres' | 'embedded';
  /** How many connections there are, are free, and are waited for. PostgreSQL only. */
  readonly pool?: () => { readonly total: number; readonly idle: number; readonly waiting: number };
  /**
   * Calls back when another process has said `channel`. PostgreSQL only; the embedded database has
   * no other process. Reconnects by itself; polling is the net for what it misses.
   */
  listen(onNotice: (channel: string) => void, channels: readonly string[]): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

/**
 * Opens PostgreSQL. Connections that hang are given up: a provider waits 3 s at the least patient.
 * A server whose `synchronous_commit` is off is overruled per connection, because a 2xx means
 * committed.
 */
export function openPostgres(
  url: string,
  logger: Logger,
  {
    poolSize,
    patient = false,
  }: {
    poolSize: number;
    /** For migrations: no time limit, but for the wait for a lock, which others wait behind. */ patient?: boolean;
  },
): DatabaseHandle {
  const config: pg.PoolConfig & PreparingConfig = {
    Client: PreparingClient,
    types: typeParsers,
    connectionString: url,
    max: poolSize,
    connectionTimeoutMillis: 2_500,
    ...(patient
      ? { lock_timeout: 3_000 }
      : { answerWithinMs: 20_000, statement_timeout: 15_000, idle_in_transaction_session_timeout: 15_000 }),
    keepAlive: true,
    application_name: 'postroom',
    // The pool's own hook: Kysely's loses the connection for good where the statement fails.
    // It waits for the promise, which its types leave out.
    onConnect: (client) => setUp(client) as unknown as void,
  };
  const pool = new pg.Pool(config);
  // Without listeners a connection's end (a restart of the server) would end the process: the pool
  // listens to idle connections only, so those in use, between two queries, get one of their own.
  const onLost = (error: Error): void => logger.warn({ error: error.message }, 'a database connection was lost');
  pool.on('error', onLost);
  pool.on('connect', (client) => client.on('error', onLost));
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  return {
    db,
    kind: 'postgres',
    pool: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    listen: (onNotice, channels) => listenPostgres(url, onNotice, channels, logger),
    close: () => db.destroy(),
  };
}

/** Opens the embedded database in `dataDir`; see `openEmbedded` for what it refuses. */
export async function openEmbeddedDatabase(dataDir: string): Promise<DatabaseHandle> {
  const embedded = await openEmbedded(dataDir);
  const db = new Kysely<Database>({ dialect: new PGliteDialect({ pglite: embedded.pglite }) });
  return {
    db,
    kind: 'embedded',
    listen: async () => async () => {},
    async close() {
      await db.destroy();
      await embedded.close();
    },
  };
}

/**
 * What a session must have whatever the server's settings are. To compile a claim (`jit`) took 150 ms
 * beside ten million finished deliveries, to run it 8: PostgreSQL compiles where it expects much work.
 * `random_page_cost`: a plan is kept for a connection's life, and one that was made while a table had
 * a few pages would read it from end to end for each row; at a disk's 4 that is up to eight pages, at
 * 1.1 two.
 */
async function setUp(client: pg.ClientBase): Promise<void> {
  await client.query(`select set_config('jit', 'off', false), set_config('random_page_cost', '1.1', false),
    case when current_setting('synchronous_commit') = 'off' then set_config('synchronous_commit', 'on', false) end`);
}

/** Whether an error means that the database cannot be reached or used now, and may be later. */
export function isUnavailable(error: unknown): boolean {
  const code = codeOf(error) ?? '';
  if (/^(?:08|53|57|58|25006|40|55P03|XX)/.test(code)) return true;
  if (/^(?:ECONN|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENOENT)/.test(code)) return true;
  const message = error instanceof Error ? error.message : '';
  return /timeout exceeded|Query read timeout|Connection terminated|connection timeout|Cannot use a pool|not queryable|PGlite is closed|driver has already been destroyed/i.test(
    message,
  );
}

async function listenPostgres(
  url: string,
  onNotice: (channel: string) => void,
  channels: readonly string[],
  logger: Logger,
): Promise<() => Promise<void>> {
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  async function connect(): Promise<void> {
    const next = new pg.Client({ connectionString: url, keepAlive: true, application_name: 'postroom-listen' });
    let ended = false;
    const retry = (): void => {
      if (ended || stopped) return;
      ended = true;
      void next.end().catch(() => {});
      timer = setTimeout(() => void connect(), 1_000);
    };
    next.on('error', retry);
    next.on('end', retry);
    next.on('notification', (notice) => onNotice(notice.channel));
    try {
      await next.connect();
      for (const channel of channels) await next.query(`listen ${pg.escapeIdentifier(channel)}`);
      client = next;
    } catch (error) {
      logger.debug({ error: String(error) }, 'cannot listen; polling goes on');
      retry();
    }
  }

  await connect();
  return async () => {
    stopped = true;
    clearTimeout(timer);
    await client?.end().catch(() => {});
  };
}
