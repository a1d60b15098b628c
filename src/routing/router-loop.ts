import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { messageOf } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { createLoop, type Loop } from '../lib/loop.ts';
import { routeBatch, type RoutedBatch } from './router.ts';
import type { OrderOf } from './store-decisions.ts';

export interface RouterOptions {
  readonly db: Kysely<Database>;
  readonly logger: Logger;
  readonly now: () => Date;
  /** How long to sleep when nothing waits: the net under the wake-ups. */
  readonly pollMs: number;
  readonly orderOf: OrderOf;
  /** Called after each commit that made deliveries. */
  readonly onDeliveries: () => void;
  /** Called after each commit, with when the batch was begun. */
  readonly onBatch?: (batch: RoutedBatch, startedAt: Date) => void;
}

const batchSize = 200;

/** The loop that routes what waits. */
export function createRouter(options: RouterOptions): Loop {
  return createLoop(
    async () => {
      const startedAt = new Date();
      const batch = await routeBatch(options.db, batchSize, options.now(), options.orderOf);
      options.onBatch?.(batch, startedAt);
      if (batch.deliveries > 0) options.onDeliveries();
      return batch.messages < batchSize ? options.pollMs : 0;
    },
    (error) => options.logger.warn({ error: messageOf(error) }, 'could not route messages; trying again'),
  );
}
