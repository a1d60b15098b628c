import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { createJob, lastIdNow, type Job, type JobKind } from '../jobs/job.ts';
import { countDeliveries, endedFilter, type EndedFilter } from '../outbox/delivery-filter.ts';
import { checkTarget } from './bind-route.ts';
import { countView, dryRun, jobOrPlan, showJob } from './jobs.ts';
import { body, createPart, security } from './openapi.ts';
import type { ApiEnv, Services } from './services.ts';

const plan = z.object(countView).openapi('DeliveryCount');
const replay = z
  .strictObject({
    filter: endedFilter.default({ state: 'dead' }),
    dryRun,
    ratePerSecond: z.number().min(0.01).max(10_000).optional().openapi({ description: 'Replays per second at most.' }),
    targetId: z.uuid().optional().openapi({ description: 'Where the replays go, instead of where they went.' }),
  })
  .openapi('DeliveryReplay');
const purge = z.strictObject({ filter: endedFilter.default({ state: 'dead' }), dryRun }).openapi('DeliveryPurge');
const tags = ['deliveries'];

/** Replays and purges of many deliveries at once. */
export function deliveryJobRoutes(services: Services): OpenAPIHono<ApiEnv> {
  const { db, wakeJobs } = services;

  async function start(
    tenantId: string,
    kind: JobKind,
    found: EndedFilter,
    options: { ratePerSecond?: number | undefined; targetId?: string | undefined } = {},
  ): Promise<Job> {
    const upTo = lastIdNow();
    const job = await createJob(db, tenantId, {
      kind,
      filter: found,
      options: { upTo, ratePerSecond: options.ratePerSecond ?? null, targetId: options.targetId ?? null },
      found: await countDeliveries(db, tenantId, found, upTo),
    });
    wakeJobs();
    return job;
  }

  return createPart()
    .openapi(
      createRoute({
        method: 'post',
        path: '/deliveries/replay',
        tags,
        security,
        summary: 'Repeat all ended deliveries that a filter finds, as a job',
        description:
          'Dead ones unless `state` says otherwise, and only those without a replay that is under way or has succeeded unless `replayed` says otherwise. What dies after the job was made is not its business.',
        request: { body: body(replay) },
        responses: jobOrPlan(plan),
      }),
      async (c) => {
        const { tenantId } = c.var.caller;
        const given = c.req.valid('json');
        await checkTarget(services, tenantId, given.targetId ?? null);
        const found = { ...given.filter, replayed: given.filter.replayed ?? false };
        if (given.dryRun) return c.json(await countDeliveries(db, tenantId, found, null), 200);
        return c.json(showJob(await start(tenantId, 'replay_deliveries', found, given)), 202);
      },
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/deliveries/purge',
        tags,
        security,
        summary: 'Remove all ended deliveries that a filter finds, with their attempts, as a job',
        description: 'Dead ones unless `state` says otherwise. What a dead one held back goes on.',
        request: { body: body(purge) },
        responses: jobOrPlan(plan),
      }),
      async (c) => {
        const { tenantId } = c.var.caller;
        const given = c.req.valid('json');
        if (given.dryRun) return c.json(await countDeliveries(db, tenantId, given.filter, null), 200);
        return c.json(showJob(await start(tenantId, 'purge_deliveries', given.filter)), 202);
      },
    );
}
