import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { channelKinds } from '../lib/channel-kinds.ts';
import {
  createIdentityLink,
  deleteIdentityLink,
  listIdentityLinks,
  verifyIdentityLink,
  type IdentityLink,
} from '../routing/identity-links.ts';
import {
  body,
  conflictError,
  createPart,
  errors,
  freeObject,
  json,
  notFoundError,
  offsetQuery,
  security,
  timestamp,
} from './openapi.ts';
import type { ApiEnv, Services } from './services.ts';

const identityLink = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    channel: z.enum(channelKinds),
    externalIdentity: z.string(),
    userId: z.string(),
    agentSpecId: z.string().nullable(),
    verified: z.boolean(),
    metadata: freeObject,
    createdAt: timestamp,
    updatedAt: timestamp,
  })
  .openapi('IdentityLink');

const identityLinkCreate = z
  .object({
    channel: z.enum(channelKinds),
    externalIdentity: z.string().trim().min(1).max(512),
    userId: z.string().min(1).max(255),
    agentSpecId: z.string().max(255).nullish(),
    verified: z.boolean().default(false),
  })
  .openapi('IdentityLinkCreate');

function showLink(row: IdentityLink) {
  return {
    id: row.id,
    tenantId: row.tenant_id,
    channel: row.channel,
    externalIdentity: row.external_identity,
    userId: row.user_id,
    agentSpecId: row.agent_spec_id,
    verified: row.verified,
    metadata: row.metadata,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}

const linkParam = z.object({ link_id: z.uuid() });
const tags = ['inbound'];

/** `/api/v1/inbound/identity-links`: which external identity is which user, to the contract's letter. */
export function identityLinkRoutes({ db, now }: Services): OpenAPIHono<ApiEnv> {
  return createPart()
    .openapi(
      createRoute({
        method: 'get',
        path: '/inbound/identity-links',
        tags,
        security,
        summary: 'List identity links',
        request: { query: offsetQuery },
        responses: { 200: json(z.object({ items: z.array(identityLink) }), 'Identity links, newest first'), ...errors },
      }),
      async (c) => {
        const rows = await listIdentityLinks(db, c.var.caller.tenantId, c.req.valid('query'));
        return c.json({ items: rows.map(showLink) }, 200);
      },
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/inbound/identity-links',
        tags,
        security,
        summary: 'Create identity link',
        request: { body: body(identityLinkCreate) },
        responses: { 201: json(identityLink, 'The link'), ...errors, ...conflictError },
      }),
      async (c) => {
        const given = c.req.valid('json');
        const link = { ...given, agentSpecId: given.agentSpecId ?? null };
        return c.json(showLink(await createIdentityLink(db, c.var.caller.tenantId, link)), 201);
      },
    )
    .openapi(
      createRoute({
        method: 'delete',
        path: '/inbound/identity-links/{link_id}',
        tags,
        security,
        summary: 'Delete identity link',
        request: { params: linkParam },
        responses: { 204: { description: 'Deleted' }, ...errors, ...notFoundError },
      }),
      async (c) => {
        await deleteIdentityLink(db, c.var.caller.tenantId, c.req.valid('param').link_id);
        return c.body(null, 204);
      },
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/inbound/identity-links/{link_id}/verify',
        tags,
        security,
        summary: 'Verify identity link',
        request: { params: linkParam },
        responses: { 200: json(identityLink, 'The link, verified'), ...errors, ...notFoundError },
      }),
      async (c) => {
        const row = await verifyIdentityLink(db, c.var.caller.tenantId, c.req.valid('param').link_id, now());
        return c.json(showLink(row), 200);
      },
    );
}
