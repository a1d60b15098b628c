import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { isUnavailable } from '../../src/db/client.ts';
import { PreparingClient, type PreparingConfig } from '../../src/db/preparing-client.ts';
import { eventually } from '../support/test-app.ts';

describe.runIf(process.env['TEST_DATABASE_URL'])('a connection to PostgreSQL', () => {
  let pool: pg.Pool | undefined;
  afterEach(async () => await pool?.end());

  function open(given: PreparingConfig = {}): pg.Pool {
    const connectionString = inject('postgresTemplate')?.adminUrl;
    const config: pg.PoolConfig & PreparingConfig = {
      Client: PreparingClient,
      connectionString,
      max: 1,
      statement_timeout: 3_000,
      ...given,
    };
    pool = new pg.Pool(config);
    return pool;
  }

  /** As Kysely uses it: a client of the pool, a promise per statement. */
  async function ask(from: pg.Pool, text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    const client = await from.connect();
    try {
      return (await client.query<Record<string, unknown>>(text, values)).rows;
    } finally {
      client.release();
    }
  }

  it('prepares a statement that asks for it once, and no other', async () => {
    const own = open();
    for (const n of [1, 2, 3]) {
      expect(await ask(own, '/* prepare answer */ select $1::int as n', [n])).toEqual([{ n }]);
      expect(await ask(own, 'select $1::int as n', [n])).toEqual([{ n }]);
    }
    expect(await ask(own, 'select name, generic_plans + custom_plans as runs from pg_prepared_statements')).toEqual([
      { name: 'answer', runs: '3' },
    ]);
  });

  it("tells the server's own error", async () => {
    const own = open({ answerWithinMs: 5_000 });
    await expect(ask(own, 'select 1 / $1::int', [0])).rejects.toMatchObject({ code: '22012' });
    expect(await ask(own, 'select 1 as n')).toEqual([{ n: 1 }]);
  });

  it('gives a connection up that does not answer in time: nobody waits behind that answer', async () => {
    const own = open({ answerWithinMs: 1_000 });
    const [first] = await ask(own, 'select pg_backend_pid() as pid');
    const late: unknown = await ask(own, 'select pg_sleep(30)').catch((error: unknown) => error);
    expect(late).toMatchObject({ message: 'Query read timeout' });
    expect(isUnavailable(late)).toBe(true);
    const [second] = await ask(own, 'select pg_backend_pid() as pid');
    expect(second?.['pid']).not.toBe(first?.['pid']);
    expect(own.totalCount).toBe(1);
  });

  it('gives it up within a transaction too, of which nothing stays', async () => {
    const own = open({ answerWithinMs: 1_000 });
    const db = new Kysely<never>({ dialect: new PostgresDialect({ pool: own }) });
    let id: string | undefined;
    const late: unknown = await db
      .transaction()
      .execute(async (trx) => {
        id = (await sql<{ id: string }>`select pg_current_xact_id()::text as id`.execute(trx)).rows[0]?.id;
        await sql`select pg_sleep(30)`.execute(trx);
      })
      .catch((error: unknown) => error);
    expect(isUnavailable(late)).toBe(true);
    // The server notices nothing of it before the statement is over.
    const status = await eventually('the transaction to end', async () => {
      const { rows } = await sql<{ status: string }>`select pg_xact_status(${id}::xid8) as status`.execute(db);
      return rows[0]?.status === 'in progress' ? undefined : rows[0]?.status;
    });
    expect(status).toBe('aborted');
  });
});
