import type { z } from 'zod';
import type { MessageView } from './db/message-view.ts';
import type { Logger } from './lib/logger.ts';

export { PermanentError, RetryableError } from './lib/errors.ts';

/** The kinds that the API contract knows. One whose file is not there yet cannot be routed to. */
export const handlerKinds = [
  'process',
  'document_ingest',
  'chat_reply',
  'workspace_intake',
  'workflow_trigger',
] as const;
export type HandlerKind = (typeof handlerKinds)[number];

/** Who wrote the message, as routing found it. */
export interface HandlerIdentity {
  readonly externalIdentity: string;
  readonly trustLevel: 'verified' | 'unverified' | 'unknown';
  readonly userId: string | null;
  readonly agentSpecId: string | null;
  readonly linkId: string | null;
  readonly verified: boolean;
}

export interface HandlerRoute {
  readonly id: string;
  readonly handlerKind: string;
  readonly targetKind: string | null;
  readonly targetId: string | null;
  readonly workflowKey: string | null;
  readonly workspaceId: string | null;
  readonly threadId: string | null;
}

export interface HandlerTarget {
  readonly id: string;
  readonly kind: string;
  readonly name: string;
}

/** The delivery that a handler runs for. */
export interface HandlerDelivery {
  readonly id: string;
  /** 1 for the first try. */
  readonly attempt: number;
  /** The delivery that this one repeats by someone's wish, or null. */
  readonly replayOf: string | null;
  readonly createdAt: string;
}

/** What a target answered: its 2xx status and the beginning of its body. */
export interface TargetAnswer {
  readonly status: number;
  readonly body: string;
}

/** What a handler returns to wait for its target: made by `ctx.awaitCallback`. */
export class AwaitingCallback {
  readonly deadlineMs: number;
  readonly onDeadline: 'retry' | 'dead';

  constructor(deadlineMs: number, onDeadline: 'retry' | 'dead') {
    this.deadlineMs = deadlineMs;
    this.onDeadline = onDeadline;
  }
}

/** What a handler may do. It has no database and no environment. */
export interface HandlerContext {
  /** The same at every attempt of this delivery; give it to whatever you call. */
  readonly idempotencyKey: string;
  /** Aborts when the time is over, the lease is lost, or the process stops. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /**
   * Posts JSON to the route's target, signed by Standard Webhooks with the target's secret.
   *
   * @throws RetryableError or PermanentError, by the target's answer; let them through.
   */
  deliver(body: { readonly type: string; readonly data: Readonly<Record<string, unknown>> }): Promise<TargetAnswer>;
  /** The one-time URL by which a target tells later how it went; for `awaitCallback`. */
  callbackUrl(): string;
  /**
   * What to return to wait for a callback: the delivery is `awaiting` and holds no worker. The first
   * call of `callbackUrl` ends it; where none comes within the deadline (at most 30 days), it is tried
   * again, or dead.
   */
  awaitCallback(options: { readonly deadlineMs: number; readonly onDeadline?: 'retry' | 'dead' }): AwaitingCallback;
}

export interface HandlerRun<Config> {
  readonly message: MessageView;
  readonly identity: HandlerIdentity;
  readonly route: HandlerRoute;
  readonly target: HandlerTarget | null;
  readonly delivery: HandlerDelivery;
  readonly config: Config;
  readonly ctx: HandlerContext;
}

export interface Handler<Config extends z.ZodType = z.ZodType> {
  readonly kind: HandlerKind;
  /** The route's `config`, less `match`: checked when the route is made and again when it runs. */
  readonly config: Config;
  readonly policy: {
    /** How long one run may take; a target's own policy may say less or more. */
    readonly timeoutMs: number;
    /** Whether runs of one conversation, or one sender, follow each other; a route may say otherwise. */
    readonly order?: 'none' | 'conversation' | 'sender';
  };
  /**
   * Handles one message. What it returns is stored as the delivery's result. A `PermanentError`
   * makes the delivery dead; anything else that it throws is tried again.
   */
  run(given: HandlerRun<z.output<Config>>): Promise<Record<string, unknown> | AwaitingCallback>;
}

/** Declares a handler; its config's type reaches `run`. */
export function defineHandler<Config extends z.ZodType>(handler: Handler<Config>): Handler {
  return handler;
}
