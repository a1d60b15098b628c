import { Hono } from 'hono';
import { countMessages } from '../inbox/backlog.ts';
import { messageOf } from '../lib/errors.ts';
import type { Services } from './services.ts';

/** `/healthz`: the process answers. `/readyz`: the database does too, with what is waiting. */
export function healthRoutes(services: Services): Hono {
  const app = new Hono();
  app.get('/healthz', (c) => c.json({ ok: true }));
  app.get('/readyz', async (c) => {
    try {
      // Asked anew each time: it shows that the database answers now.
      const { toRoute } = await countMessages(services.db);
      const { deliveries } = await services.backlog();
      const backlog = {
        messagesToRoute: toRoute,
        deliveriesDue: deliveries.due + deliveries.broken,
        deliveriesRunning: deliveries.running,
      };
      return c.json({ ok: true, backlog, retention: services.retentionStatus?.() ?? null });
    } catch (error) {
      services.logger.warn({ error: messageOf(error) }, 'not ready');
      c.header('Retry-After', '5');
      return c.json({ ok: false, reason: 'the database cannot be reached' }, 503);
    }
  });
  return app;
}
