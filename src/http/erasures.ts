import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { createEventReader } from '../inbox/read-event.ts';
import { channelKinds } from '../lib/channel-kinds.ts';
import { eraseIdentity } from '../retention/erase.ts';
import { body, createPart, errors, json, security } from './openapi.ts';
import type { ApiEnv, Services } from './services.ts';

const erasureRequest = z
  .object({
    channel: z.enum(channelKinds),
    externalIdentity: z.string().trim().min(1).max(512),
  })
  .openapi('ErasureRequest');

const erasure = z
  .object({
    identityLinks: z.int(),
    messages: z.int(),
    events: z.int(),
    deliveries: z.int(),
    attempts: z.int(),
    cancelled: z.int().openapi({ description: 'Deliveries that had not ended, among `deliveries`.' }),
  })
  .openapi('Erasure');

/** `/api/v1/erasures`: everything of one person goes. */
export function erasureRoutes(services: Services): OpenAPIHono<ApiEnv> {
  return createPart().openapi(
    createRoute({
      method: 'post',
      path: '/erasures',
      tags: ['erasures'],
      security,
      summary: 'Erase everything of one external identity',
      description:
        'Deletes the identity link; takes out of the identity’s messages what they say and who wrote them, out of the requests that brought them body and headers, out of their deliveries and attempts what the target answered; cancels what has not ended. A request that brought messages of others as well loses its body too; their messages stay. A webhook that is repeated later is still known, and its message not made again. The answer comes when all is done; the call can be repeated.',
      request: { body: body(erasureRequest) },
      responses: { 200: json(erasure, 'How much was found and erased'), ...errors },
    }),
    async (c) => {
      const { tenantId } = c.var.caller;
      const read = createEventReader(services, tenantId);
      const erased = await eraseIdentity(services.db, { tenantId, ...c.req.valid('json') }, read, services.now());
      // What an erased delivery held back may go on.
      services.wakeOutbox();
      return c.json({ ...erased }, 200);
    },
  );
}
