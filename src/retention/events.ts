import { sql } from 'kysely';
import { firstIdAt, momentOf } from '../lib/ids.ts';
import {
  batchRows,
  biteOf,
  cutoffOf,
  nothingDue,
  underLock,
  type Bite,
  type Chore,
  type RetentionDays,
} from './chore.ts';
import { dropPartition, ensureEventPartitions, listPartitions, partitionsDueAt } from './partitions.ts';

/** Keeps a week of partitions ahead. */
export function makePartitions(): Chore {
  return {
    name: 'partitions_ahead',
    async bite(db, now) {
      await ensureEventPartitions(db, now);
      return { done: 0, dueAt: await partitionsDueAt(db, now) };
    },
  };
}

/** Drops the oldest partition whose every event is too old. */
export function dropOldPartitions(days: RetentionDays): Chore {
  return {
    name: 'events',
    async bite(db, now) {
      const cutoff = cutoffOf(now, days.events);
      const [oldest] = await listPartitions(db);
      if (cutoff === null || !oldest || oldest.to > cutoff) return nothingDue;
      const dueAt = new Date(oldest.to.getTime() + now.getTime() - cutoff.getTime());
      return await biteOf(dueAt, async () => (await dropPartition(db, oldest)) && 1);
    },
  };
}

/** Deletes old events out of the default partition, where they landed while none was there for them. */
export function deleteDefaultEvents(days: RetentionDays): Chore {
  return {
    name: 'events_default',
    bite: (db, now) => {
      const cutoff = cutoffOf(now, days.events);
      if (cutoff === null) return Promise.resolve(nothingDue);
      return underLock(db, async (trx): Promise<Bite> => {
        const { rows } = await sql<{ tenant_id: string; ids: string[] }>`
          select t.id as tenant_id, e.ids from tenants t cross join lateral (
            select array_agg(o.id::text order by o.id) as ids from (
              select id from events_default
              where tenant_id = t.id and id < ${firstIdAt(cutoff)}::uuid order by tenant_id, id limit ${batchRows}
            ) o
          ) e where e.ids is not null limit 1`.execute(trx);
        const [due] = rows;
        if (!due) return nothingDue;
        await sql`delete from events_default
          where tenant_id = ${due.tenant_id} and id = any(${due.ids}::uuid[])`.execute(trx);
        const oldest = momentOf(due.ids[0] as string);
        return { done: due.ids.length, dueAt: new Date(oldest.getTime() + now.getTime() - cutoff.getTime()) };
      });
    },
  };
}

/** Evidence of refusals goes with the events of its time. */
export function deleteOldRejections(days: RetentionDays): Chore {
  return {
    name: 'rejections',
    bite: (db, now) => {
      const cutoff = cutoffOf(now, days.events);
      if (cutoff === null) return Promise.resolve(nothingDue);
      return underLock(db, async (trx): Promise<Bite> => {
        const { rows } = await sql<{ minute: Date }>`
          delete from rejections r using (
            select o.* from channels c cross join lateral (
              select tenant_id, channel_id, minute, reason from rejections
              where tenant_id = c.tenant_id and channel_id = c.id and minute < ${cutoff}
              order by tenant_id, channel_id, minute, reason limit ${batchRows}
            ) o limit ${batchRows}
          ) old
          where r.tenant_id = old.tenant_id and r.channel_id = old.channel_id and r.minute = old.minute
            and r.reason = old.reason
          returning r.minute`.execute(trx);
        const oldest = rows.reduce<Date | null>(
          (least, { minute }) => (least && least < minute ? least : minute),
          null,
        );
        const dueAt = oldest && new Date(oldest.getTime() + now.getTime() - cutoff.getTime());
        return { done: rows.length, dueAt };
      });
    },
  };
}
