import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { createToken, listTokens, revokeToken, type Token } from '../access/tokens.ts';
import { body, createPart, cursorQuery, errors, json, notFoundError, pageOf, security, timestamp } from './openapi.ts';
import type { ApiEnv, Services } from './services.ts';

const scope = z.enum(['read', 'write', 'admin']).openapi({
  description: '`write` includes `read`; `admin` includes both and the tokens themselves.',
});
const tokenView = z
  .object({
    id: z.uuid(),
    name: z.string(),
    scope,
    createdAt: timestamp,
    lastUsedAt: timestamp.nullable(),
    revokedAt: timestamp.nullable(),
  })
  .openapi('Token');

function showToken(row: Token) {
  return {
    id: row.id,
    name: row.name,
    scope: row.scope,
    createdAt: row.created_at.toISOString(),
    lastUsedAt: row.last_used_at?.toISOString() ?? null,
    revokedAt: row.revoked_at?.toISOString() ?? null,
  };
}

const tags = ['tokens'];

/** `/api/v1/tokens`: who may call. Needs the scope `admin`. */
export function tokenRoutes({ db, now, authenticator }: Services): OpenAPIHono<ApiEnv> {
  return createPart()
    .openapi(
      createRoute({
        method: 'post',
        path: '/tokens',
        tags,
        security,
        summary: 'Create token',
        request: {
          body: body(
            z.object({ name: z.string().trim().min(1).max(200), scope: scope.default('write') }).openapi('TokenCreate'),
          ),
        },
        responses: {
          201: json(
            tokenView.extend({ token: z.string().openapi({ description: 'Shown in this answer and never again.' }) }),
            'The token',
          ),
          ...errors,
        },
      }),
      async (c) => {
        const { token, text } = await createToken(db, c.var.caller.tenantId, c.req.valid('json'));
        authenticator.forget();
        return c.json({ ...showToken(token), token: text }, 201);
      },
    )
    .openapi(
      createRoute({
        method: 'get',
        path: '/tokens',
        tags,
        security,
        summary: 'List tokens',
        request: { query: cursorQuery },
        responses: { 200: json(pageOf(tokenView), 'Tokens, newest first; never their texts'), ...errors },
      }),
      async (c) => {
        const page = await listTokens(db, c.var.caller.tenantId, c.req.valid('query'));
        return c.json({ items: page.items.map(showToken), nextCursor: page.nextCursor }, 200);
      },
    )
    .openapi(
      createRoute({
        method: 'delete',
        path: '/tokens/{tokenId}',
        tags,
        security,
        summary: 'Revoke token',
        request: { params: z.object({ tokenId: z.uuid() }) },
        responses: { 204: { description: 'Revoked' }, ...errors, ...notFoundError },
      }),
      async (c) => {
        await revokeToken(db, c.var.caller.tenantId, c.req.valid('param').tokenId, now());
        authenticator.forget();
        return c.body(null, 204);
      },
    );
}
