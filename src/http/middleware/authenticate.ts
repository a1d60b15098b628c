import { getCookie } from 'hono/cookie';
import { createMiddleware } from 'hono/factory';
import { covers, type Authenticator } from '../../access/tokens.ts';
import type { Scope } from '../../db/schema.ts';
import { PostroomError } from '../../lib/errors.ts';
import type { ApiEnv } from '../services.ts';

/** What gives access away, or cannot be undone. */
const adminPaths = ['/api/v1/tokens', '/api/v1/erasures'];

/**
 * Lets in who shows a token as `Authorization: Bearer`, `X-API-Key`, or the cookie `vai_token`.
 * Reading needs `read`, changing needs `write`, tokens and erasures need `admin`.
 *
 * A browser sends a cookie from any page, so one that comes from another site may only read.
 */
export function authenticate(authenticator: Authenticator) {
  return createMiddleware<ApiEnv>(async (c, next) => {
    const header = /^Bearer +(\S+) *$/i.exec(c.req.header('authorization') ?? '')?.[1] ?? c.req.header('x-api-key');
    const cookie = header === undefined ? getCookie(c, 'vai_token') : undefined;
    const text = header ?? cookie;
    const caller = text === undefined || text === '' ? undefined : await authenticator.authenticate(text);
    if (!caller) {
      throw new PostroomError('unauthenticated', 'a valid token is required', { loc: ['header', 'authorization'] });
    }
    const isReading = c.req.method === 'GET' || c.req.method === 'HEAD';
    if (cookie !== undefined && !isReading && !isSameSite(c.req.raw)) {
      throw new PostroomError('forbidden', 'a cookie does not count on requests from another site', {
        loc: ['header', 'cookie'],
      });
    }
    const isAdmins = adminPaths.some((path) => c.req.path.startsWith(path));
    const needed: Scope = isAdmins ? 'admin' : isReading ? 'read' : 'write';
    if (!covers(caller.scope, needed)) {
      throw new PostroomError('forbidden', `the token's scope is ${caller.scope}; this needs ${needed}`, {
        loc: ['header', 'authorization'],
      });
    }
    c.set('caller', caller);
    await next();
  });
}

function isSameSite(request: Request): boolean {
  const site = request.headers.get('sec-fetch-site');
  if (site !== null) return site === 'same-origin' || site === 'none';
  const origin = request.headers.get('origin');
  return origin === null || origin === new URL(request.url).origin;
}
