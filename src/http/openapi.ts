import { OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { invalid } from '../lib/errors.ts';
import { errorBody } from './errors.ts';
import type { ApiEnv } from './services.ts';

/** A part of the API. Validation errors of all parts are answered in one way, here. */
export function createPart(): OpenAPIHono<ApiEnv> {
  return new OpenAPIHono<ApiEnv>({
    defaultHook: (result, c) => {
      if (result.success) return undefined;
      const where = result.target === 'json' ? 'body' : result.target === 'param' ? 'path' : result.target;
      return c.json(
        {
          detail: result.error.issues.map((issue) => {
            const path = issue.path.map((part) => (typeof part === 'number' ? part : String(part)));
            return errorBody([where, ...path], issue.message, issue.code ?? 'invalid').detail[0];
          }),
        },
        422,
      );
    },
  });
}

const validationError = z
  .object({
    detail: z.array(z.object({ loc: z.array(z.union([z.string(), z.int()])), msg: z.string(), type: z.string() })),
  })
  .openapi('ValidationError');

/** A JSON answer or body of this shape. */
export function json<Schema extends z.ZodType>(schema: Schema, description: string) {
  return { description, content: { 'application/json': { schema } } };
}

/** A JSON body that must be there: without `required` a request with another content type skips the check. */
export function body<Schema extends z.ZodType>(schema: Schema) {
  return { required: true, content: { 'application/json': { schema } } };
}

/** A JSON body that may be left out; see `refuseOtherBody`. */
export function optionalBody<Schema extends z.ZodType>(schema: Schema) {
  return { content: { 'application/json': { schema } } };
}

/**
 * Refuses a body that is there and is not JSON: where a body may be left out it would not be looked
 * at, and a dry run would be none.
 *
 * @throws PostroomError `invalid`.
 */
export async function refuseOtherBody(c: Context): Promise<void> {
  const isJson = /^application\/([a-z-.]+\+)?json\b/i.test(c.req.header('content-type') ?? '');
  if (!isJson && (await c.req.text()) !== '')
    throw invalid(['body'], 'must be JSON, with its content type', 'malformed');
}

/** The errors that an operation may answer, beside its success. */
export const errors = {
  401: json(validationError, 'No token, or one that is unknown or revoked'),
  403: json(validationError, "The token's scope does not reach so far"),
  422: json(validationError, 'Validation error'),
} as const;
export const notFoundError = { 404: json(validationError, 'Not found') } as const;
export const conflictError = { 409: json(validationError, 'Conflict') } as const;

/** Every way to say who is calling. */
export const security = [{ bearer: [] }, { apiKey: [] }, { cookie: [] }];

export const cursorQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.uuid().optional().openapi({ description: 'The `nextCursor` of the page before.' }),
});

/** The contract's paging, for the lists that it names. */
export const offsetQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(100),
  offset: z.coerce.number().int().min(0).max(1_000_000_000).default(0),
});

/** One page of items, newest first. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), nextCursor: z.uuid().nullable() });
}

export const timestamp = z.iso.datetime();
/** Any JSON object; its inside is free. */
export const freeObject = z.record(z.string(), z.unknown());
