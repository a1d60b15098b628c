import type { Tracing } from '../lib/tracing.ts';
import type { RoutedBatch } from './router.ts';

/**
 * A span for each message of a batch, in the trace that took it in. They are made once the batch is
 * committed, and share its times: it is the batch that takes time, not the message.
 */
export function traceBatch(tracing: Tracing, batch: RoutedBatch, startedAt: Date, endedAt: Date): void {
  for (const { message, decision } of batch.decided) {
    if (message.traceparent === null) continue;
    const span = tracing.start('route', {
      parent: message.traceparent,
      startedAt,
      attributes: {
        'postroom.message.id': message.id,
        'postroom.channel.id': message.channel_id,
        'postroom.status': decision.status,
        'postroom.route.id': decision.route?.id,
        'postroom.batch': batch.messages,
      },
    });
    span.end({ at: endedAt });
  }
}
