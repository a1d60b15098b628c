import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { isUnavailable } from '../db/client.ts';
import { isRowFault } from '../lib/batcher.ts';
import { codeOf, messageOf, PostroomError, type ErrorCode } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';

/** The one place that turns errors into status codes. */
const statusOf: Record<ErrorCode, ContentfulStatusCode> = {
  invalid: 422,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  rate_limited: 429,
  unavailable: 503,
};

/** The body of every error: `{"detail":[{"loc","msg","type"}]}`. */
export interface ErrorBody {
  readonly detail: readonly {
    readonly loc: readonly (string | number)[];
    readonly msg: string;
    readonly type: string;
  }[];
}

export function errorBody(loc: readonly (string | number)[], msg: string, type: string): ErrorBody {
  return { detail: [{ loc, msg, type }] };
}

/** Answers an error. What is our own fault is logged and answered without its text. */
export function answerError(error: unknown, c: Context, logger: Logger): Response {
  const known = classify(error);
  if (!known) {
    logger.error(
      { error: messageOf(error), stack: error instanceof Error ? error.stack : undefined },
      'unexpected error',
    );
    return c.json(errorBody([], 'an unexpected error; it was logged', 'internal'), 500);
  }
  if (known.code === 'unavailable') {
    logger.warn({ error: messageOf(known.cause ?? known) }, 'answered 503');
    c.header('Retry-After', '5');
  }
  if (known.code === 'unauthenticated') c.header('WWW-Authenticate', 'Bearer');
  return c.json(errorBody(known.loc, known.message, known.type), statusOf[known.code]);
}

function classify(error: unknown): PostroomError | undefined {
  if (error instanceof PostroomError) return error;
  if (error instanceof HTTPException) {
    if (error.status === 413) return new PostroomError('too_large', 'the body is too large', { loc: ['body'] });
    return new PostroomError('invalid', error.message || 'the request is malformed', {
      loc: ['body'],
      type: 'malformed',
    });
  }
  if (codeOf(error)?.startsWith('23'))
    return new PostroomError('conflict', 'it clashes with what is there', { loc: ['body'] });
  if (isRowFault(error)) {
    return new PostroomError('invalid', 'holds a value that cannot be stored', { loc: ['body'], type: 'unstorable' });
  }
  if (isUnavailable(error)) {
    return new PostroomError('unavailable', 'the database cannot be reached now; try again', { cause: error });
  }
  return undefined;
}
