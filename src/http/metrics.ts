import { timingSafeEqual, createHash } from 'node:crypto';
import { Hono } from 'hono';
import { PostroomError } from '../lib/errors.ts';
import type { Services } from './services.ts';

/**
 * `GET /metrics`, as Prometheus reads it. It holds counts and no tenant's data, and so needs no token
 * unless one is configured: it is then `Authorization: Bearer`, as Prometheus sends it.
 */
export function metricsRoutes(services: Services): Hono {
  const app = new Hono();
  app.get('/metrics', async (c) => {
    const { metricsToken } = services;
    if (metricsToken !== undefined && !isBearer(c.req.header('authorization'), metricsToken)) {
      throw new PostroomError('unauthenticated', 'the metrics need their token', { loc: ['header', 'authorization'] });
    }
    const rendered = await services.metrics.render();
    if (!rendered) return c.notFound();
    return c.body(rendered.text, 200, { 'content-type': rendered.contentType, 'cache-control': 'no-store' });
  });
  return app;
}

/** Compares digests: they have one length, and the time says nothing about the text. */
function isBearer(header: string | undefined, token: string): boolean {
  const given = /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1] ?? '';
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
