import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { invalid, messageOf } from '../lib/errors.ts';
import { webhookKey } from '../lib/standard-webhooks.ts';
import { targetPolicy } from '../outbox/retry-policy.ts';
import {
  createTarget,
  deleteTarget,
  getTarget,
  listTargets,
  rotateTargetSecret,
  updateTarget,
  type Target,
} from '../outbox/targets.ts';
import { body, createPart, cursorQuery, errors, json, notFoundError, pageOf, security, timestamp } from './openapi.ts';
import type { ApiEnv, Services } from './services.ts';

const targetView = z
  .object({
    id: z.uuid(),
    kind: z.string(),
    name: z.string(),
    url: z.string(),
    policy: targetPolicy,
    status: z.enum(['active', 'paused', 'deleted']),
    statusReason: z.string().nullable(),
    breaker: z
      .object({
        state: z.enum(['closed', 'open', 'half_open']),
        probeAt: timestamp.nullable().openapi({ description: 'When the next delivery goes as a probe.' }),
        openings: z.int().openapi({ description: 'How often it opened since it was last closed.' }),
        reason: z.string().nullable(),
        failingSince: timestamp.nullable(),
      })
      .openapi({ description: 'Open: its deliveries wait without burning tries.' }),
    createdAt: timestamp,
    updatedAt: timestamp,
  })
  .openapi('Target');
const targetWithSecret = targetView
  .extend({ secret: z.string().openapi({ description: 'Shown in this answer and never again.' }) })
  .openapi('TargetWithSecret');

const kind = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,63}$/, { error: 'lower-case letters, digits, - and _; such as agent, workflow or http' });
const name = z.string().trim().min(1).max(200);
const url = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).max(2_048);
const secret = z
  .string()
  .max(200)
  .refine((text) => (webhookKey(text)?.length ?? 0) >= 16, { error: 'must be whsec_ and at least 16 bytes in base64' });
const grace = z.int().min(0).max(604_800).default(86_400);

function showTarget(row: Target) {
  return {
    id: row.id,
    kind: row.kind,
    name: row.name,
    url: row.url,
    policy: row.policy,
    status: row.status,
    statusReason: row.status_reason,
    breaker: {
      state: row.breaker,
      probeAt: row.breaker_until?.toISOString() ?? null,
      openings: row.breaker_openings,
      reason: row.breaker_reason,
      failingSince: row.failing_since?.toISOString() ?? null,
    },
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}

const param = z.object({ targetId: z.uuid() });
const tags = ['targets'];

/** `/api/v1/targets`: where handlers hand over. */
export function targetRoutes(services: Services): OpenAPIHono<ApiEnv> {
  const { db, sealer, now, wakeOutbox } = services;

  function checkUrl(text: string | undefined): void {
    if (text === undefined) return;
    try {
      services.assertAllowedUrl(text);
    } catch (error) {
      throw invalid(['body', 'url'], `${messageOf(error)}; see ALLOW_PRIVATE_TARGETS`, 'blocked_address');
    }
  }

  return createPart()
    .openapi(
      createRoute({
        method: 'post',
        path: '/targets',
        tags,
        security,
        summary: 'Create target',
        request: {
          body: body(
            z
              .object({ kind, name, url, secret: secret.optional(), policy: targetPolicy.optional() })
              .openapi('TargetCreate'),
          ),
        },
        responses: { 201: json(targetWithSecret, 'The target with its secret'), ...errors },
      }),
      async (c) => {
        const given = c.req.valid('json');
        checkUrl(given.url);
        const made = await createTarget(db, sealer, c.var.caller.tenantId, {
          ...given,
          secret: given.secret,
          policy: given.policy ?? targetPolicy.parse({}),
        });
        return c.json({ ...showTarget(made.target), secret: made.secret }, 201);
      },
    )
    .openapi(
      createRoute({
        method: 'get',
        path: '/targets',
        tags,
        security,
        summary: 'List targets',
        request: { query: cursorQuery },
        responses: { 200: json(pageOf(targetView), 'Targets, newest first'), ...errors },
      }),
      async (c) => {
        const page = await listTargets(db, c.var.caller.tenantId, c.req.valid('query'));
        return c.json({ items: page.items.map(showTarget), nextCursor: page.nextCursor }, 200);
      },
    )
    .openapi(
      createRoute({
        method: 'get',
        path: '/targets/{targetId}',
        tags,
        security,
        summary: 'Get target',
        request: { params: param },
        responses: { 200: json(targetView, 'The target'), ...errors, ...notFoundError },
      }),
      async (c) => c.json(showTarget(await getTarget(db, c.var.caller.tenantId, c.req.valid('param').targetId)), 200),
    )
    .openapi(
      createRoute({
        method: 'patch',
        path: '/targets/{targetId}',
        tags,
        security,
        summary: 'Change target, pause it, or let it go on',
        request: {
          params: param,
          body: body(
            z
              .strictObject({
                name: name.optional(),
                url: url.optional(),
                policy: targetPolicy.optional(),
                status: z.enum(['active', 'paused']).optional(),
                breaker: z
                  .enum(['open', 'closed'])
                  .optional()
                  .openapi({ description: 'By hand: `open` until it is closed, by hand again.' }),
              })
              .openapi('TargetChange'),
          ),
        },
        responses: { 200: json(targetView, 'The target'), ...errors, ...notFoundError },
      }),
      async (c) => {
        const change = c.req.valid('json');
        checkUrl(change.url);
        const row = await updateTarget(db, c.var.caller.tenantId, c.req.valid('param').targetId, change);
        wakeOutbox();
        return c.json(showTarget(row), 200);
      },
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/targets/{targetId}/rotate-secret',
        tags,
        security,
        summary: 'Give the target a new secret; for a while what is sent is signed with both',
        request: {
          params: param,
          body: body(
            z.strictObject({ secret: secret.optional(), graceSeconds: grace }).openapi('TargetSecretRotation'),
          ),
        },
        responses: { 200: json(targetWithSecret, 'The target with its new secret'), ...errors, ...notFoundError },
      }),
      async (c) => {
        const given = c.req.valid('json');
        const made = await rotateTargetSecret(db, sealer, c.var.caller.tenantId, c.req.valid('param').targetId, {
          secret: given.secret,
          graceSeconds: given.graceSeconds,
          now: now(),
        });
        return c.json({ ...showTarget(made.target), secret: made.secret }, 200);
      },
    )
    .openapi(
      createRoute({
        method: 'delete',
        path: '/targets/{targetId}',
        tags,
        security,
        summary: 'Delete target',
        request: { params: param },
        responses: { 204: { description: 'Deleted' }, ...errors, ...notFoundError },
      }),
      async (c) => {
        await deleteTarget(db, c.var.caller.tenantId, c.req.valid('param').targetId);
        wakeOutbox();
        return c.body(null, 204);
      },
    );
}
