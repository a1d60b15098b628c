import pg from 'pg';

/** One try of a job, as Postroom logs its own. */
export interface Attempt {
  readonly jobId: string;
  readonly number: number;
  readonly startedAt: Date;
}

/** A table of attempts beside a peer's own tables, so that the peer does what Postroom does. */
export interface AttemptLog {
  add(attempts: readonly Attempt[]): Promise<void>;
  count(): Promise<number>;
  close(): Promise<void>;
}

export async function openAttemptLog(connectionString: string, connections: number): Promise<AttemptLog> {
  const pool = new pg.Pool({ connectionString, max: connections });
  await pool.query(`create table if not exists attempts (
    job_id text not null,
    number integer not null,
    worker text not null,
    outcome text not null,
    status_code integer,
    error jsonb,
    response text,
    started_at timestamptz not null,
    duration_ms integer not null,
    primary key (job_id, number)
  )`);
  return {
    async add(attempts) {
      await pool.query({
        name: 'log',
        text: `insert into attempts (job_id, number, worker, outcome, started_at, duration_ms)
          select job_id, number, 'bench', 'succeeded', started_at, 0
          from unnest($1::text[], $2::int[], $3::timestamptz[]) as a(job_id, number, started_at)`,
        values: [
          attempts.map((one) => one.jobId),
          attempts.map((one) => one.number),
          attempts.map((one) => one.startedAt.toISOString()),
        ],
      });
    },
    async count() {
      const { rows } = await pool.query<{ count: number }>('select count(*)::int as count from attempts');
      return rows[0]?.count ?? Number.NaN;
    },
    close: () => pool.end(),
  };
}
