import { z } from 'zod';
import { defineHandler, PermanentError } from '../../../src/handler.ts';

/** Asks the route's target to run the route's workflow, with the message's text as input. */
export const workflowTrigger = defineHandler({
  kind: 'workflow_trigger',
  config: z.strictObject({ input: z.record(z.string(), z.json()).default({}) }),
  policy: { timeoutMs: 10_000 },
  async run({ message, identity, route, config, ctx }) {
    if (route.workflowKey === null) throw new PermanentError('no_workflow', 'the route names no workflow');
    const input = { ...config.input, text: message.text, userId: identity.userId };
    const answer = await ctx.deliver({
      type: 'workflow.requested',
      data: { workflowKey: route.workflowKey, input, messageId: message.id },
    });
    return { workflowKey: route.workflowKey, status: answer.status };
  },
});
