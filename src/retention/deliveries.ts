import { sql, type Transaction } from 'kysely';
import { keepMessageStatus } from '../db/message-status.ts';
import type { Database } from '../db/schema.ts';
import { firstIdAt } from '../lib/ids.ts';
import {
  batchRows,
  cutoffOf,
  graceMs,
  nothingDue,
  underLock,
  type Bite,
  type Chore,
  type RetentionDays,
} from './chore.ts';
import { beginning, byTenant, walkOn, type Place } from './walk.ts';

/** Nothing waits for it; a dead one that holds its ordering key is still in use. */
const hasEnded = sql<boolean>`(d.state in ('succeeded', 'dead', 'cancelled') and not d.holds_key)`;

/** Deliveries that have ended go, with their attempts, so many days after they were made. */
export function deleteOldDeliveries(days: RetentionDays): Chore {
  return {
    name: 'deliveries',
    bite: (db, now) =>
      walkOn(
        db,
        { work: 'deliveries', table: 'deliveries', days: days.deliveries },
        now,
        async (trx, tenantId, ids) => {
          const { rows } = await sql<{ id: string; ended: boolean }>`
          select d.id, ${hasEnded} as ended from deliveries d
          where d.tenant_id = ${tenantId} and d.id = any(${[...ids]}::uuid[])`.execute(trx);
          await deleteDeliveries(
            trx,
            tenantId,
            rows.filter((row) => row.ended).map((row) => row.id),
          );
          const rest = rows.filter((row) => !row.ended).map((row) => row.id);
          if (rest.length === 0) return;
          await sql`update deliveries set overdue = true
          where tenant_id = ${tenantId} and id = any(${rest}::uuid[])`.execute(trx);
        },
      ),
  };
}

/** Looks again at deliveries that had not ended when they were due: a week after their end they go. */
export function revisitDeliveries(days: RetentionDays): Chore {
  let place: Place = { ...beginning };
  return {
    name: 'overdue_deliveries',
    bite: (db, now) => {
      const cutoff = cutoffOf(now, days.deliveries);
      if (cutoff === null) return Promise.resolve(nothingDue);
      return underLock(db, async (trx): Promise<Bite> => {
        const { rows } = await sql<{ tenant_id: string; id: string; over: boolean }>`
          select d.tenant_id, d.id, ${hasEnded} and d.finished_at < ${new Date(now.getTime() - graceMs)}
            and d.id < ${firstIdAt(cutoff)}::uuid as over
          from deliveries d
          where d.overdue and (d.tenant_id, d.id) > (${place.tenantId}::uuid, ${place.id}::uuid)
          order by d.tenant_id, d.id limit ${batchRows}`.execute(trx);
        for (const [tenantId, own] of byTenant(rows.filter((row) => row.over))) {
          await deleteDeliveries(
            trx,
            tenantId,
            own.map((row) => row.id),
          );
        }
        const last = rows.length === batchRows ? rows.at(-1) : undefined;
        place = last ? { tenantId: last.tenant_id, id: last.id } : { ...beginning };
        return { done: last ? rows.length : 0, dueAt: null };
      });
    },
  };
}

/** Jobs that have ended go with the deliveries of their time. There are few: no mark is kept. */
export function deleteOldJobs(days: RetentionDays): Chore {
  return {
    name: 'jobs',
    bite: (db, now) => {
      const cutoff = cutoffOf(now, days.deliveries);
      if (cutoff === null) return Promise.resolve(nothingDue);
      return underLock(db, async (trx): Promise<Bite> => {
        const { rows } = await sql`
          delete from jobs j using (
            select o.tenant_id, o.id from tenants t cross join lateral (
              select tenant_id, id from jobs
              where tenant_id = t.id and id < ${firstIdAt(cutoff)}::uuid
                and state in ('succeeded', 'cancelled', 'failed') and finished_at < ${cutoff}
              order by tenant_id, id limit ${batchRows}
            ) o limit ${batchRows}
          ) old
          where j.tenant_id = old.tenant_id and j.id = old.id returning j.id`.execute(trx);
        return { done: rows.length, dueAt: rows.length > 0 ? now : null };
      });
    },
  };
}

/** Removes deliveries with their attempts. */
export async function deleteDeliveries(
  trx: Transaction<Database>,
  tenantId: string,
  ids: readonly string[],
): Promise<void> {
  if (ids.length === 0) return;
  await keepMessageStatus(trx, tenantId, ids);
  await sql`delete from attempts where tenant_id = ${tenantId} and delivery_id = any(${[...ids]}::uuid[])`.execute(trx);
  await sql`delete from deliveries where tenant_id = ${tenantId} and id = any(${[...ids]}::uuid[])`.execute(trx);
}
