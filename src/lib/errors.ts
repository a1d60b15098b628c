/**
 * The one family of errors. `code` is stable and public; `http/errors.ts` alone knows which status
 * a code is answered with, `outbox/retry-policy.ts` alone what is tried again.
 */
export type ErrorCode =
  | 'invalid'
  | 'unauthenticated'
  | 'forbidden'
  | 'not_found'
  | 'conflict'
  | 'too_large'
  | 'rate_limited'
  | 'unavailable';

export class PostroomError extends Error {
  readonly code: ErrorCode;
  /** Whether the same call may succeed later without a change. */
  readonly retryable: boolean;
  /** Where in the request the fault is, as `["body", "secrets", "signingSecret"]`. */
  readonly loc: readonly (string | number)[];
  /** A narrower word than `code` for machines, such as `handler_not_installed`. */
  readonly type: string;

  constructor(
    code: ErrorCode,
    message: string,
    options: { loc?: readonly (string | number)[]; type?: string; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PostroomError';
    this.code = code;
    this.retryable = code === 'unavailable' || code === 'rate_limited';
    this.loc = options.loc ?? [];
    this.type = options.type ?? code;
  }
}

/** 404: it does not exist, or not for this tenant; the two are never told apart. */
export function notFound(what: string, loc: readonly (string | number)[]): PostroomError {
  return new PostroomError('not_found', `${what} not found`, { loc });
}

/** 422: the request is understood and wrong. `loc` names the field. */
export function invalid(loc: readonly (string | number)[], message: string, type = 'invalid'): PostroomError {
  return new PostroomError('invalid', message, { loc, type });
}

/** 409: it clashes with what is there. */
export function conflict(message: string, loc: readonly (string | number)[] = ['body']): PostroomError {
  return new PostroomError('conflict', message, { loc });
}

/** A handler throws this when a later try may succeed. `retryAfterMs` is the target's own wish. */
export class RetryableError extends Error {
  readonly code: string;
  readonly retryable = true;
  readonly retryAfterMs: number | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: string,
    message: string,
    options: { retryAfterMs?: number; details?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'RetryableError';
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
    this.details = options.details ?? {};
  }
}

/** A handler throws this when no later try can succeed: the delivery is dead at once. */
export class PermanentError extends Error {
  readonly code: string;
  readonly retryable = false;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, options: { details?: Record<string, unknown>; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PermanentError';
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** SQLSTATE or system code (`ECONNREFUSED`) of anything that was thrown, where it carries one. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
