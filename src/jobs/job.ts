import { sql, type Kysely, type Selectable } from 'kysely';
import { z } from 'zod';
import { toPage, type Page, type PageQuery } from '../db/page.ts';
import type { Database, JobsTable, JobState } from '../db/schema.ts';
import type { BoundedCount } from '../db/slices.ts';
import { conflict, notFound } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import { storableJson } from '../lib/storable.ts';

export const jobKinds = ['replay_deliveries', 'purge_deliveries', 'reparse_events', 'reroute_messages'] as const;
export type JobKind = (typeof jobKinds)[number];

export const jobStates = ['pending', 'running', 'succeeded', 'cancelled', 'failed'] as const;

/** What a job was told beside its filter. */
export const jobOptions = z.object({
  /** The last id that was there when it was made: what comes later is not its business. */
  upTo: z.uuid(),
  /** Deliveries per second, for a replay. */
  ratePerSecond: z.number().positive().nullable().default(null),
  /** Where a replay goes instead. */
  targetId: z.uuid().nullable().default(null),
});
export type JobOptions = z.output<typeof jobOptions>;

/** Work on many rows, in the background. */
export type Job = Omit<Selectable<JobsTable>, 'options'> & { readonly options: JobOptions };

function toJob(row: Selectable<JobsTable>): Job {
  return { ...row, options: jobOptions.parse(row.options) };
}

/** An id that bounds what is there now; see `JobOptions.upTo`. */
export const lastIdNow = newId;

export interface NewJob {
  readonly kind: JobKind;
  readonly filter: object;
  readonly options: z.input<typeof jobOptions>;
  readonly found: BoundedCount;
}

/** Makes a job; a worker takes it up. */
export async function createJob(db: Kysely<Database>, tenantId: string, given: NewJob): Promise<Job> {
  const row = await db
    .insertInto('jobs')
    .values({
      tenant_id: tenantId,
      id: newId(),
      kind: given.kind,
      filter: storableJson(given.filter),
      options: storableJson(jobOptions.parse(given.options)),
      total: given.found.count,
      position: null,
      error: null,
      lease_owner: null,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  return toJob(row);
}

export interface JobFilter extends PageQuery {
  readonly kind?: JobKind | undefined;
  readonly state?: JobState | undefined;
}

export async function listJobs(db: Kysely<Database>, tenantId: string, filter: JobFilter): Promise<Page<Job>> {
  const rows = await db
    .selectFrom('jobs')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .$if(filter.kind !== undefined, (query) => query.where('kind', '=', filter.kind as JobKind))
    .$if(filter.state !== undefined, (query) => query.where('state', '=', filter.state as JobState))
    .$if(filter.cursor !== undefined, (query) => query.where('id', '<', filter.cursor as string))
    .orderBy('id', 'desc')
    .limit(filter.limit + 1)
    .execute();
  return toPage(rows, filter.limit, toJob);
}

/** @throws PostroomError `not_found`. */
export async function getJob(db: Kysely<Database>, tenantId: string, id: string): Promise<Job> {
  const row = await db
    .selectFrom('jobs')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .executeTakeFirst();
  if (!row) throw notFound('job', ['path', 'jobId']);
  return toJob(row);
}

/**
 * Ends a job between two of its batches: it waits for the one under way. What is done stays done.
 *
 * @throws PostroomError `not_found`, or `conflict` where it has ended.
 */
export async function cancelJob(db: Kysely<Database>, tenantId: string, id: string): Promise<Job> {
  const row = await db
    .updateTable('jobs')
    .set({
      state: 'cancelled',
      lease_owner: null,
      lease_until: null,
      updated_at: sql<Date>`now()`,
      finished_at: sql<Date>`now()`,
    })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .where('state', 'in', ['pending', 'running'])
    .returningAll()
    .executeTakeFirst();
  if (row) return toJob(row);
  const { state } = await getJob(db, tenantId, id);
  throw conflict(`the job has ended: ${state}`, ['path', 'jobId']);
}
