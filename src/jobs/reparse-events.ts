import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { countEvents, eventFilter, takeEvents, type EventFilter } from '../inbox/event-filter.ts';
import { bookReparsed, reparseEvents, type ReparseContext, type Reparsed } from '../inbox/reparse.ts';
import type { BoundedCount } from '../db/slices.ts';
import type { Work } from './work.ts';

const batchSize = 50;

/** Reads stored requests again, and books the messages that are new. */
export const reparseWork: Work = {
  batchSize,
  async runBatch(trx, job, limit, context) {
    const filter = eventFilter.parse(job.filter);
    const slice = { after: job.position, upTo: job.options.upTo, limit };
    const { events, isLast } = await takeEvents(trx, job.tenant_id, filter, slice);
    const reparsed = await reparseEvents(trx, context, job.tenant_id, events);
    const { changed, messages } = await bookReparsed(trx, job.tenant_id, reparsed);
    return {
      position: events.at(-1)?.id ?? null,
      done: events.length,
      changed,
      skipped: 0,
      isLast,
      made: messages > 0 ? 'messages' : null,
    };
  },
};

/** What reparsing would change: how many events the filter finds, and what the first would be. */
export interface ReparsePlan extends BoundedCount {
  readonly items: readonly Reparsed[];
}

/** A dry run reads no more than this, in bytes of bodies, because somebody waits for it. */
const maxPlannedBytes = 64 * 1024 * 1024;

/** Reads the first events of a filter again, and writes nothing. */
export async function planReparse(
  db: Kysely<Database>,
  context: ReparseContext,
  tenantId: string,
  filter: EventFilter,
  limit: number,
): Promise<ReparsePlan> {
  const found = await countEvents(db, tenantId, filter, null);
  const items: Reparsed[] = [];
  const seen = new Set<string>();
  let after: string | null = null;
  let bytes = 0;
  while (items.length < limit && bytes < maxPlannedBytes) {
    const slice = { after, upTo: null, limit: Math.min(batchSize, limit - items.length) };
    const { events, isLast } = await takeEvents(db, tenantId, filter, slice);
    bytes += events.reduce((sum, event) => sum + event.body.byteLength, 0);
    for (const one of await reparseEvents(db, context, tenantId, events, seen)) {
      items.push({ ...one, event: { ...one.event, body: new Uint8Array() } });
    }
    after = events.at(-1)?.id ?? null;
    if (isLast) break;
  }
  return { ...found, items };
}
