import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { countMessages, type MessageBacklog } from '../inbox/backlog.ts';
import { countDeliveries, countTargets, type DeliveryBacklog, type TargetStates } from '../outbox/backlog.ts';

/** What waits, and how the targets are. */
export interface Backlog {
  readonly messages: MessageBacklog;
  readonly deliveries: DeliveryBacklog;
  readonly targets: TargetStates;
}

/** How long a count is good for: whoever asks more often costs the database nothing. */
const freshMs = 5_000;

/**
 * Reads the backlog, at most once in five seconds and never twice at once. A failure is not
 * remembered.
 *
 * @param nowMs a clock that never goes back, in milliseconds.
 */
export function createBacklogReader(
  db: Kysely<Database>,
  nowMs: () => number = () => performance.now(),
): () => Promise<Backlog> {
  let known: { readonly at: number; readonly backlog: Promise<Backlog> } | undefined;

  async function read(): Promise<Backlog> {
    // One after another: they are to take one connection of the pool, not three.
    const messages = await countMessages(db);
    const deliveries = await countDeliveries(db);
    return { messages, deliveries, targets: await countTargets(db) };
  }

  return () => {
    if (known && nowMs() - known.at < freshMs) return known.backlog;
    const reading = { at: nowMs(), backlog: read() };
    known = reading;
    reading.backlog.catch(() => {
      if (known === reading) known = undefined;
    });
    return reading.backlog;
  };
}
