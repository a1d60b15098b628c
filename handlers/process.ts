import { z } from 'zod';
import { defineHandler } from '../src/handler.ts';

/**
 * Hands the message to the route's target as `message.received`. A route without a target keeps the
 * message in the inbox, where the API reads it.
 */
export const process = defineHandler({
  kind: 'process',
  // Free: whatever the route's config says goes along to the target.
  config: z.looseObject({
    /** The target takes the message now and says later, at the `callbackUrl` it is given, how it went. */
    callback: z
      .strictObject({
        deadlineSeconds: z.int().min(1).max(2_592_000).default(3_600),
        onDeadline: z.enum(['retry', 'dead']).default('retry'),
      })
      .optional(),
  }),
  policy: { timeoutMs: 30_000 },
  async run({ message, identity, route, target, delivery, config, ctx }) {
    if (target === null) return { handedTo: null };
    const { callback } = config;
    const callbackUrl = callback ? { callbackUrl: ctx.callbackUrl() } : {};
    const answer = await ctx.deliver({
      type: 'message.received',
      data: { message, identity, route: { ...route, config }, delivery, ...callbackUrl },
    });
    if (callback) {
      const { deadlineSeconds, onDeadline } = callback;
      return ctx.awaitCallback({ deadlineMs: deadlineSeconds * 1000, onDeadline });
    }
    return { handedTo: target.id, status: answer.status, body: answer.body };
  },
});
