import { Hono } from 'hono';
import { invalid } from '../lib/errors.ts';
import { callbackBody, receiveCallback } from '../outbox/callbacks.ts';
import { readBody } from './read-body.ts';
import type { Services } from './services.ts';

const maxBytes = 256 * 1024;

/** `POST /callbacks/{token}`: where a target tells how it went. The URL itself is the credential. */
export function callbackRoutes(services: Services): Hono {
  const app = new Hono();
  app.post('/callbacks/:token', async (c) => {
    const text = new TextDecoder().decode(await readBody(c.req.raw, maxBytes));
    const parsed = callbackBody.safeParse(text.trim() === '' ? {} : readJson(text));
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      throw invalid(['body', ...(issue?.path ?? []).map(String)], issue?.message ?? 'is wrong');
    }
    await receiveCallback(services.db, services.sealer, c.req.param('token'), parsed.data, services.metrics.outbox);
    services.wakeOutbox();
    return c.json({ ok: true });
  });
  return app;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw invalid(['body'], 'is not JSON', 'malformed');
  }
}
