import { showMessage } from '../db/message-view.ts';
import type { AwaitingCallback, HandlerRun } from '../handler.ts';
import { PermanentError } from '../lib/errors.ts';
import { isoOf } from '../lib/iso-time.ts';
import type { TracedSpan } from '../lib/tracing.ts';
import { TryContext, type RunContext } from './handler-context.ts';
import type { Stop } from './stop.ts';
import { configOf, type Work, type WorkMessage } from './work.ts';

/**
 * Runs a delivery's handler once. Returns the handler's result.
 *
 * @throws PermanentError where what it needs is gone; else whatever the handler throws.
 */
export async function runDelivery(
  context: RunContext,
  work: Work,
  stop: Stop,
  span: TracedSpan,
): Promise<Record<string, unknown> | AwaitingCallback> {
  const { claim, message, route, target } = work;
  const handler = context.handlers.get(claim.handler_kind);
  if (!handler) throw new PermanentError('handler_gone', `there is no handler of kind ${claim.handler_kind}`);
  if (!message) throw new PermanentError('message_gone', 'the message is no more');
  if (message.blanked_at) throw new PermanentError('message_blanked', 'the message has lost its text to retention');
  if (!route) throw new PermanentError('route_gone', 'the route is no more');
  if (claim.target_id !== null && (!target || target.status === 'deleted')) {
    throw new PermanentError('target_deleted', 'the target was deleted');
  }
  const config = configOf(handler, route);
  if (!config.success) throw new PermanentError('config_invalid', `the route's config: ${config.error.message}`);

  return await handler.run({
    message: showMessage(message),
    identity: showIdentity(message),
    route: {
      id: route.id,
      handlerKind: route.handler_kind,
      targetKind: route.target_kind,
      targetId: route.target_id,
      workflowKey: route.workflow_key,
      workspaceId: route.workspace_id,
      threadId: route.thread_id,
    },
    target: target ? { id: target.id, kind: target.kind, name: target.name } : null,
    delivery: {
      id: claim.id,
      attempt: claim.attempts,
      replayOf: claim.replay_of,
      createdAt: isoOf(claim.created_at),
    },
    config: config.data,
    ctx: new TryContext(context, work, stop, span),
  });
}

function showIdentity(message: WorkMessage): HandlerRun<unknown>['identity'] {
  return {
    externalIdentity: message.external_identity,
    trustLevel: message.trust_level,
    userId: message.user_id,
    agentSpecId: message.identity?.agentSpecId ?? null,
    linkId: message.identity?.linkId ?? null,
    verified: message.identity?.verified ?? false,
  };
}
