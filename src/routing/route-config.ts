import { z } from 'zod';

/**
 * What a route's `config` says to Postroom itself; everything else in it is the handler's own.
 * `order`: deliveries of one conversation, or one sender, run one after the other in the order of
 * arrival. `onDead`: what becomes of the rest when one of them dies.
 */
export const routeSettings = z.object({
  match: z.string({ error: 'must be a CEL expression, as a string' }).nullish(),
  order: z.enum(['none', 'conversation', 'sender']).optional(),
  onDead: z.enum(['continue', 'hold']).optional(),
});
export type RouteSettings = z.infer<typeof routeSettings>;
export type RouteOrder = NonNullable<RouteSettings['order']>;

/** A stored config's settings; one that does not fit any more counts as absent. */
export function readSettings(config: Readonly<Record<string, unknown>>): RouteSettings {
  const parsed = routeSettings.safeParse(config);
  if (parsed.success) return parsed.data;
  return { match: typeof config['match'] === 'string' ? config['match'] : null };
}

/** A config without Postroom's own words: what its handler is given. */
export function handlerConfig(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { match: _match, order: _order, onDead: _onDead, ...rest } = config;
  return rest;
}

/** What names the conversation, or the sender, that a message belongs to; null where order does not matter. */
export function orderingKey(
  order: RouteOrder,
  message: {
    readonly channel_id: string;
    readonly channel_thread_id: string | null;
    readonly external_identity: string;
  },
): string | null {
  if (order === 'none') return null;
  const { channel_id: channelId, channel_thread_id: thread, external_identity: sender } = message;
  return order === 'conversation' && thread !== null ? `${channelId}:t:${thread}` : `${channelId}:s:${sender}`;
}
