import { endedFilter, sliceOfDeliveries } from '../outbox/delivery-filter.ts';
import { purgeDeliveries } from '../outbox/purge.ts';
import type { Work } from './work.ts';

/** Removes deliveries that have ended. */
export const purgeWork: Work = {
  batchSize: 500,
  async runBatch(trx, job, limit) {
    const filter = endedFilter.parse(job.filter);
    const found = await trx
      .selectFrom('deliveries as d')
      .select(['d.tenant_id', 'd.id', 'd.ordering_key', 'd.holds_key'])
      .where(sliceOfDeliveries(job.tenant_id, filter, { after: job.position, upTo: job.options.upTo }, job.id))
      .orderBy('d.id')
      .limit(limit)
      .execute();
    const changed = await purgeDeliveries(trx, job.tenant_id, found);
    return {
      position: found.at(-1)?.id ?? null,
      done: found.length,
      changed,
      skipped: 0,
      isLast: found.length < limit,
      // What a dead one held may go on.
      made: found.some((one) => one.holds_key) ? 'deliveries' : null,
    };
  },
};
