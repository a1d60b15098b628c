import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { countEvents, eventFilter, eventOutcomes } from '../inbox/event-filter.ts';
import { countMessages, messageFilter } from '../inbox/message-filter.ts';
import { getMessage } from '../inbox/messages.ts';
import type { Reparsed } from '../inbox/reparse.ts';
import { createJob, lastIdNow } from '../jobs/job.ts';
import { planReparse } from '../jobs/reparse-events.ts';
import { planMessages, planReroute, rerouteMessage, type Rerouting } from '../jobs/reroute-messages.ts';
import { conflict } from '../lib/errors.ts';
import { countView, dryRun, jobOrPlan, showJob } from './jobs.ts';
import {
  body,
  conflictError,
  createPart,
  errors,
  freeObject,
  json,
  notFoundError,
  optionalBody,
  refuseOtherBody,
  security,
} from './openapi.ts';
import type { ApiEnv, Services } from './services.ts';

/** So many of what a filter finds are answered one by one by a dry run. */
const maxPlanned = 200;

const reparsedView = z
  .object({
    eventId: z.uuid(),
    before: z.object({ outcome: z.enum(eventOutcomes), reason: z.string().nullable() }),
    after: z.object({ outcome: z.enum(eventOutcomes), reason: z.string().nullable() }),
    messageCount: z.int().openapi({ description: 'How many messages it holds, those that are here already included.' }),
    newMessages: z.array(z.string()).openapi({ description: 'The idempotency keys of those that are not here yet.' }),
  })
  .openapi('ReparsedEvent');

function showReparsed({ event, outcome, reason, messages, fresh }: Reparsed) {
  return {
    eventId: event.id,
    before: { outcome: event.outcome, reason: event.reason },
    after: { outcome, reason },
    messageCount: messages,
    newMessages: fresh.map((row) => row.key),
  };
}

const reparsePlan = z
  .object({
    ...countView,
    items: z.array(reparsedView).openapi({ description: 'The first of them, oldest first, at most 200.' }),
    outcomes: z
      .object({ accepted: z.int(), duplicate: z.int(), ignored: z.int(), unparsed: z.int() })
      .openapi({ description: 'How many of the items would be what.' }),
    newMessageCount: z.int().openapi({ description: 'How many messages the items would bring.' }),
  })
  .openapi('ReparsePlan');

const wayView = z.object({
  status: z.enum(['received', 'routed', 'processed', 'failed', 'unrouted', 'rejected']),
  routeId: z.uuid().nullable(),
  targetId: z.uuid().nullable(),
});
const reroutedView = z
  .object({
    messageId: z.uuid(),
    outcome: z.enum(['rerouted', 'unchanged', 'skipped']),
    skipped: z
      .enum(['in_progress', 'channel_paused', 'payload_gone'])
      .nullable()
      .openapi({ description: 'Why it stays where it is, although it would go another way now.' }),
    before: wayView,
    after: wayView,
    decision: freeObject.openapi({ description: 'Why: which routes were considered, which one won, and how.' }),
  })
  .openapi('ReroutedMessage');

function showRerouted({ message, decision, outcome, skipped }: Rerouting) {
  const { route, ...reasons } = decision;
  const isRouted = decision.status === 'routed';
  return {
    messageId: message.id,
    outcome,
    skipped,
    before: { status: message.status, routeId: message.route_id, targetId: message.route_target_id },
    after: {
      status: decision.status,
      routeId: route?.id ?? null,
      targetId: isRouted ? (route?.targetId ?? null) : null,
    },
    decision: reasons as Record<string, unknown>,
  };
}

const reroutePlan = z
  .object({
    ...countView,
    items: z.array(reroutedView).openapi({ description: 'The first of them, oldest first, at most 200.' }),
    outcomes: z
      .object({ rerouted: z.int(), unchanged: z.int(), skipped: z.int() })
      .openapi({ description: 'How many of the items would be what.' }),
  })
  .openapi('ReroutePlan');

/** How often each of these words comes up. */
function tally<Word extends string>(words: readonly Word[], all: readonly Word[]): Record<Word, number> {
  const counts = Object.fromEntries(all.map((word) => [word, 0])) as Record<Word, number>;
  for (const word of words) counts[word] += 1;
  return counts;
}

const reparseBody = z.strictObject({ filter: eventFilter.default({}), dryRun }).openapi('Reparse');
const rerouteBody = z.strictObject({ filter: messageFilter.default({}), dryRun }).openapi('Reroute');

/** Doing again, with today's code and settings, what was done with a request or a message before. */
export function timeTravelRoutes(services: Services): OpenAPIHono<ApiEnv> {
  const { db, wakeJobs, wakeOutbox } = services;

  return createPart()
    .openapi(
      createRoute({
        method: 'post',
        path: '/events/reparse',
        tags: ['events'],
        security,
        summary: 'Read stored requests again, with today’s code and settings',
        description:
          'Unparsed ones unless `outcome` or `ids` say otherwise. Messages that are new are booked and routed; those that are here already stay as they are. A dry run reads the first 200, or 64 MiB.',
        request: { body: body(reparseBody) },
        responses: jobOrPlan(reparsePlan),
      }),
      async (c) => {
        const { tenantId } = c.var.caller;
        const given = c.req.valid('json');
        if (given.dryRun) {
          const { items, count, more } = await planReparse(db, services, tenantId, given.filter, maxPlanned);
          const outcomes = tally(
            items.map((item) => item.outcome),
            eventOutcomes,
          );
          const newMessageCount = items.reduce((sum, item) => sum + item.fresh.length, 0);
          return c.json({ count, more, items: items.map(showReparsed), outcomes, newMessageCount }, 200);
        }
        const upTo = lastIdNow();
        const found = await countEvents(db, tenantId, given.filter, upTo);
        const options = { upTo };
        const job = await createJob(db, tenantId, { kind: 'reparse_events', filter: given.filter, options, found });
        wakeJobs();
        return c.json(showJob(job), 202);
      },
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/inbound/messages/reroute',
        tags: ['inbound'],
        security,
        summary: 'Decide messages again, by the links and routes of today',
        description:
          'Unrouted ones unless `status` or `ids` say otherwise. Only those that would go another way are changed: their deliveries that wait are cancelled, and new ones made. One whose delivery runs or awaits a callback is skipped.',
        request: { body: body(rerouteBody) },
        responses: jobOrPlan(reroutePlan),
      }),
      async (c) => {
        const { tenantId } = c.var.caller;
        const given = c.req.valid('json');
        if (given.dryRun) {
          const { items, count, more } = await planReroute(db, tenantId, given.filter, maxPlanned);
          const outcomes = tally(
            items.map((item) => item.outcome),
            ['rerouted', 'unchanged', 'skipped'],
          );
          return c.json({ count, more, items: items.map(showRerouted), outcomes }, 200);
        }
        const upTo = lastIdNow();
        const found = await countMessages(db, tenantId, given.filter, upTo);
        const options = { upTo };
        const job = await createJob(db, tenantId, { kind: 'reroute_messages', filter: given.filter, options, found });
        wakeJobs();
        return c.json(showJob(job), 202);
      },
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/inbound/messages/{message_id}/reroute',
        tags: ['inbound'],
        security,
        summary: 'Decide one message again, at once',
        request: {
          params: z.object({ message_id: z.uuid() }),
          body: optionalBody(z.strictObject({ dryRun })),
        },
        responses: {
          200: json(reroutedView, 'What became of it, or would'),
          ...errors,
          ...notFoundError,
          ...conflictError,
        },
      }),
      async (c) => {
        await refuseOtherBody(c);
        const { tenantId } = c.var.caller;
        const message = await getMessage(db, tenantId, c.req.valid('param').message_id);
        if (message.status === 'received') throw conflict('it has not been routed yet', ['path', 'message_id']);
        if (c.req.valid('json').dryRun) {
          const [planned] = await planMessages(db, tenantId, [message]);
          return c.json(showRerouted(planned as Rerouting), 200);
        }
        const rerouted = await rerouteMessage(db, tenantId, message.id, services);
        if (!rerouted || rerouted.outcome === 'skipped') {
          throw conflict(skipText[rerouted?.skipped ?? 'in_progress'], ['path', 'message_id']);
        }
        wakeOutbox();
        return c.json(showRerouted(rerouted), 200);
      },
    );
}

const skipText = {
  in_progress: 'a delivery of it is under way',
  channel_paused: 'its channel is paused',
  payload_gone: 'its payload was removed when its time was over',
} as const;
