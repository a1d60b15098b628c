import { sql, type Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { messageOf, PostroomError } from '../lib/errors.ts';
import { jobOptions, type Job, type JobKind } from './job.ts';
import { purgeWork } from './purge-deliveries.ts';
import { reparseWork } from './reparse-events.ts';
import { replayWork } from './replay-deliveries.ts';
import { rerouteWork } from './reroute-messages.ts';
import type { Batch, Work, WorkContext } from './work.ts';

const works: Record<JobKind, Work> = {
  replay_deliveries: replayWork,
  purge_deliveries: purgeWork,
  reparse_events: reparseWork,
  reroute_messages: rerouteWork,
};

/** A job that this worker may do the next batch of. */
export interface ClaimedJob {
  readonly tenant_id: string;
  readonly id: string;
  readonly kind: string;
}

/**
 * Takes a lease on the job that has been due for longest. Only for one batch: so jobs take turns, and
 * one whose process was killed goes on elsewhere when the lease has ended.
 */
export async function claimJob(
  db: Kysely<Database>,
  worker: string,
  leaseSeconds: number,
): Promise<ClaimedJob | undefined> {
  const { rows } = await sql<ClaimedJob>`
    update jobs j set state = 'running', lease_owner = ${worker},
      lease_until = now() + ${leaseSeconds}::int * interval '1 second'
    from (
      select tenant_id, id from jobs
      where state in ('pending', 'running') and run_at <= now() and (lease_until is null or lease_until < now())
      order by run_at limit 1 for update skip locked
    ) due
    where j.tenant_id = due.tenant_id and j.id = due.id
    returning j.tenant_id, j.id, j.kind`.execute(db);
  return rows[0];
}

/**
 * Does the job's next batch, and notes in the same commit how far it has come. The job's row is
 * locked meanwhile: nobody takes it over, and who wants to cancel it waits for the commit.
 *
 * @returns undefined where the job is not this worker's any more, and nothing was done.
 */
export async function runBatch(
  db: Kysely<Database>,
  claimed: ClaimedJob,
  worker: string,
  context: WorkContext,
): Promise<Batch | undefined> {
  return await db.transaction().execute(async (trx) => {
    const row = await trx
      .selectFrom('jobs')
      .selectAll()
      .where('tenant_id', '=', claimed.tenant_id)
      .where('id', '=', claimed.id)
      .where('state', '=', 'running')
      .where('lease_owner', '=', worker)
      .forUpdate()
      .executeTakeFirst();
    if (!row) return undefined;
    const job: Job = { ...row, options: jobOptions.parse(row.options) };
    const work = works[job.kind as JobKind] as Work | undefined;
    if (!work) throw new PostroomError('invalid', `nothing here does jobs of the kind ${job.kind}`);
    const rate = job.options.ratePerSecond;
    const batch = await work.runBatch(trx, job, limitOf(work, rate), context);
    const pauseSeconds = rate === null ? 0 : batch.changed / rate;
    await sql`
      update jobs set done = done + ${batch.done}::int, total = greatest(total, done + ${batch.done}::int),
        changed = changed + ${batch.changed}::int, skipped = skipped + ${batch.skipped}::int,
        position = coalesce(${batch.position}::uuid, position), failures = 0, error = null,
        state = ${batch.isLast ? 'succeeded' : 'running'},
        finished_at = case when ${batch.isLast} then now() end,
        run_at = greatest(run_at + ${pauseSeconds}::float8 * interval '1 second', now()),
        lease_owner = null, lease_until = null, updated_at = now()
      where tenant_id = ${job.tenant_id} and id = ${job.id}`.execute(trx);
    return batch;
  });
}

/** At a rate, what a quarter of a second has room for: smaller steps only cost more commits. */
function limitOf(work: Work, ratePerSecond: number | null): number {
  if (ratePerSecond === null) return work.batchSize;
  return Math.min(work.batchSize, Math.max(1, Math.round(ratePerSecond / 4)));
}

/** So often a batch may fail before its job does. */
const maxFailures = 4;

/**
 * Notes that a batch has failed. It is tried again after a quarter of a second, then after four times
 * as long each time; at last the job fails, with what was thrown.
 *
 * @returns whether the job has failed.
 */
export async function noteFailure(
  db: Kysely<Database>,
  claimed: ClaimedJob,
  worker: string,
  thrown: unknown,
): Promise<boolean> {
  const { rows } = await sql<{ state: string }>`
    update jobs set failures = failures + 1, error = ${messageOf(thrown).slice(0, 2_000)},
      state = case when failures + 1 >= ${maxFailures}::int then 'failed' else state end,
      finished_at = case when failures + 1 >= ${maxFailures}::int then now() end,
      run_at = now() + 0.25 * power(4, failures) * interval '1 second',
      lease_owner = null, lease_until = null, updated_at = now()
    where tenant_id = ${claimed.tenant_id} and id = ${claimed.id} and state = 'running' and lease_owner = ${worker}
    returning state`.execute(db);
  return rows[0]?.state === 'failed';
}

/** Milliseconds until a job is due; null: there is none. */
export async function msUntilDue(db: Kysely<Database>): Promise<number | null> {
  const { rows } = await sql<{ ms: number | null }>`
    select (extract(epoch from min(greatest(run_at, lease_until)) - now()) * 1000)::float8 as ms
    from jobs where state in ('pending', 'running')`.execute(db);
  return rows[0]?.ms ?? null;
}
