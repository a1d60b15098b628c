import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { cancelJob, getJob, jobKinds, jobStates, listJobs, type Job } from '../jobs/job.ts';
import {
  conflictError,
  createPart,
  cursorQuery,
  errors,
  freeObject,
  json,
  notFoundError,
  pageOf,
  security,
  timestamp,
} from './openapi.ts';
import type { ApiEnv, Services } from './services.ts';

export const jobView = z
  .object({
    id: z.uuid(),
    kind: z.string(),
    filter: freeObject,
    ratePerSecond: z.number().nullable(),
    targetId: z.uuid().nullable(),
    state: z.enum(jobStates),
    total: z.int().openapi({ description: 'What the filter found when the job was made, counted up to 100,000.' }),
    done: z.int().openapi({ description: 'How many have been looked at.' }),
    changed: z.int().openapi({ description: 'How many of those were repeated, removed, read otherwise or rerouted.' }),
    skipped: z.int().openapi({ description: 'How many had to stay as they are, because something is under way.' }),
    error: z.string().nullable().openapi({ description: 'Why it has failed, or why its last batch is tried again.' }),
    createdAt: timestamp,
    updatedAt: timestamp,
    finishedAt: timestamp.nullable(),
  })
  .openapi('Job');

export function showJob(job: Job) {
  return {
    id: job.id,
    kind: job.kind,
    filter: job.filter as Record<string, unknown>,
    ratePerSecond: job.options.ratePerSecond,
    targetId: job.options.targetId,
    state: job.state,
    total: job.total,
    done: job.done,
    changed: job.changed,
    skipped: job.skipped,
    error: job.error,
    createdAt: job.created_at.toISOString(),
    updatedAt: job.updated_at.toISOString(),
    finishedAt: job.finished_at?.toISOString() ?? null,
  };
}

/** The answers of an operation that counts with `dryRun`, and makes a job without. */
export function jobOrPlan<Plan extends z.ZodType>(plan: Plan) {
  return { 200: json(plan, 'With `dryRun`: what it would do'), 202: json(jobView, 'The job'), ...errors };
}

export const dryRun = z
  .boolean()
  .default(false)
  .openapi({ description: 'Answers what would be done, and does nothing.' });

/** How many a filter finds, at the moment. */
export const countView = {
  count: z.int().openapi({ description: 'How many the filter finds; where there are `more`, at least so many.' }),
  more: z.boolean(),
};

const param = z.object({ jobId: z.uuid() });
const tags = ['jobs'];

/** `/api/v1/jobs`: work on many rows, in the background. */
export function jobRoutes({ db }: Services): OpenAPIHono<ApiEnv> {
  return createPart()
    .openapi(
      createRoute({
        method: 'get',
        path: '/jobs',
        tags,
        security,
        summary: 'List jobs',
        request: {
          query: cursorQuery.extend({ kind: z.enum(jobKinds).optional(), state: z.enum(jobStates).optional() }),
        },
        responses: { 200: json(pageOf(jobView), 'Jobs, newest first'), ...errors },
      }),
      async (c) => {
        const page = await listJobs(db, c.var.caller.tenantId, c.req.valid('query'));
        return c.json({ items: page.items.map(showJob), nextCursor: page.nextCursor }, 200);
      },
    )
    .openapi(
      createRoute({
        method: 'get',
        path: '/jobs/{jobId}',
        tags,
        security,
        summary: 'Get a job with its progress',
        request: { params: param },
        responses: { 200: json(jobView, 'The job'), ...errors, ...notFoundError },
      }),
      async (c) => c.json(showJob(await getJob(db, c.var.caller.tenantId, c.req.valid('param').jobId)), 200),
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/jobs/{jobId}/cancel',
        tags,
        security,
        summary: 'Cancel a job; what it has done stays done',
        request: { params: param },
        responses: { 200: json(jobView, 'The job'), ...errors, ...notFoundError, ...conflictError },
      }),
      async (c) => c.json(showJob(await cancelJob(db, c.var.caller.tenantId, c.req.valid('param').jobId)), 200),
    );
}
