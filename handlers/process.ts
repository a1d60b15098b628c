import { z } from 'zod';
import { defineHandler } from '../src/handler.ts';

/**
 * Hands the message to the route's target as `message.received`. A route without a target keeps the
 * message in the inbox, where the API reads it.
 */
export const process = defineHandler({
  kind: 'process',
  // Free: whatever the route's config says goes along to the target.
  config: z.looseObject({}),
  policy: { timeoutMs: 30_000 },
  async run({ message, identity, route, target, delivery, config, ctx }) {
    if (target === null) return { handedTo: null };
    const answer = await ctx.deliver({
      type: 'message.received',
      data: { message, identity, route: { ...route, config }, delivery },
    });
    return { handedTo: target.id, status: answer.status, body: answer.body };
  },
});
