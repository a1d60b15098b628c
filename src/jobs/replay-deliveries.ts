import { endedFilter, sliceOfDeliveries } from '../outbox/delivery-filter.ts';
import { insertReplays } from '../outbox/deliveries.ts';
import type { Work } from './work.ts';

/** Repeats deliveries that have ended, oldest first. */
export const replayWork: Work = {
  batchSize: 500,
  async runBatch(trx, job, limit) {
    const filter = endedFilter.parse(job.filter);
    const { upTo, targetId } = job.options;
    const originals = await trx
      .selectFrom('deliveries as d')
      .selectAll()
      .where(sliceOfDeliveries(job.tenant_id, filter, { after: job.position, upTo }, job.id))
      .orderBy('d.id')
      .limit(limit)
      .execute();
    const options = { jobId: job.id, targetId: targetId ?? undefined };
    const made = await insertReplays(trx, job.tenant_id, originals, options);
    return {
      position: originals.at(-1)?.id ?? null,
      done: originals.length,
      changed: made.length,
      skipped: 0,
      isLast: originals.length < limit,
      made: 'deliveries',
    };
  },
};
