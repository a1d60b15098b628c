import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { messageOf } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { createWakeup } from '../lib/wakeup.ts';
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

export interface Router {
  start(): void;
  /** There may be messages to route. */
  wake(): void;
  /** Resolves when the batch under way is committed. */
  stop(): Promise<void>;
}

const batchSize = 200;

/** The loop that routes what waits. */
export function createRouter(options: RouterOptions): Router {
  const wakeup = createWakeup();
  let stopping = false;
  let loop: Promise<void> | undefined;

  async function run(): Promise<void> {
    while (!stopping) {
      try {
        const startedAt = new Date();
        const batch = await routeBatch(options.db, batchSize, options.now(), options.orderOf);
        options.onBatch?.(batch, startedAt);
        if (batch.deliveries > 0) options.onDeliveries();
        if (batch.messages < batchSize) await wakeup.sleep(options.pollMs);
      } catch (error) {
        options.logger.warn({ error: messageOf(error) }, 'could not route messages; trying again');
        await wakeup.sleep(1_000);
      }
    }
  }

  return {
    start() {
      loop = run();
    },
    wake: () => wakeup.wake(),
    async stop() {
      stopping = true;
      wakeup.wake();
      await loop;
    },
  };
}
