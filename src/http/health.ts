import { Hono } from 'hono';
import { countBacklog } from '../inbox/backlog.ts';
import { messageOf } from '../lib/errors.ts';
import type { Services } from './services.ts';

/** `/healthz`: the process answers. `/readyz`: the database does too, with what is waiting. */
export function healthRoutes(services: Services): Hono {
  const app = new Hono();
  app.get('/healthz', (c) => c.json({ ok: true }));
  app.get('/readyz', async (c) => {
    try {
      return c.json({ ok: true, backlog: await countBacklog(services.db) });
    } catch (error) {
      services.logger.warn({ error: messageOf(error) }, 'not ready');
      c.header('Retry-After', '5');
      return c.json({ ok: false, reason: 'the database cannot be reached' }, 503);
    }
  });
  return app;
}
