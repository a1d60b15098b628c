import { sql, type Transaction } from 'kysely';
import { messageStatus } from '../db/message-status.ts';
import type { Database } from '../db/schema.ts';
import { firstIdAt } from '../lib/ids.ts';
import { blankPayload, codeAlone } from './blank.ts';
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
import { deleteDeliveries } from './deliveries.ts';
import { beginning, byTenant, walkOn, type Place } from './walk.ts';

/** What is old enough is blanked; of what has not ended it is noted that it is overdue. */
export function blankPayloads(days: RetentionDays): Chore {
  return {
    name: 'payloads',
    bite: (db, now) =>
      walkOn(
        db,
        { work: 'payloads', table: 'inbound_messages', days: days.payloads },
        now,
        async (trx, tenantId, ids) => {
          const { ended, rest } = await splitEnded(trx, tenantId, ids);
          await blank(trx, tenantId, ended, now);
          await noteOverdue(trx, tenantId, rest);
        },
      ),
  };
}

/** Rows older than the ledger go, with what is left of their deliveries. */
export function deleteLedger(days: RetentionDays): Chore {
  return {
    name: 'ledger',
    bite: (db, now) =>
      walkOn(db, { work: 'ledger', table: 'inbound_messages', days: days.ledger }, now, async (trx, tenantId, ids) => {
        const { ended, rest } = await splitEnded(trx, tenantId, ids);
        await deleteMessages(trx, tenantId, ended);
        await noteOverdue(trx, tenantId, rest);
      }),
  };
}

/** Looks again at messages that had not ended when they were due: a week after their end they follow. */
export function revisitMessages(days: RetentionDays): Chore {
  let place: Place = { ...beginning };
  return {
    name: 'overdue_messages',
    bite: (db, now) => {
      const blankBefore = cutoffOf(now, days.payloads);
      const deleteBefore = cutoffOf(now, days.ledger);
      if (blankBefore === null && deleteBefore === null) return Promise.resolve(nothingDue);
      const never = new Date(0);
      const rest = new Date(now.getTime() - graceMs);
      return underLock(db, async (trx): Promise<Bite> => {
        const { rows } = await sql<{ tenant_id: string; id: string; rested: boolean; expired: boolean; old: boolean }>`
          select m.tenant_id, m.id, m.updated_at < ${rest} and not exists (select from deliveries d where d.tenant_id = m.tenant_id
              and d.message_id = m.id and d.updated_at >= ${rest}) as rested,
            m.id < ${firstIdAt(deleteBefore ?? never)}::uuid as expired,
            m.id < ${firstIdAt(blankBefore ?? never)}::uuid as old
          from inbound_messages m
          where m.overdue and (m.tenant_id, m.id) > (${place.tenantId}::uuid, ${place.id}::uuid)
          order by m.tenant_id, m.id limit ${batchRows}`.execute(trx);
        for (const [tenantId, own] of byTenant(rows.filter((row) => row.rested))) {
          const { ended } = await splitEnded(
            trx,
            tenantId,
            own.map((row) => row.id),
          );
          const over = own.filter((row) => ended.includes(row.id));
          const idsOf = (chosen: typeof over): string[] => chosen.map((row) => row.id);
          await deleteMessages(trx, tenantId, idsOf(over.filter((row) => row.expired)));
          await blank(trx, tenantId, idsOf(over.filter((row) => row.old && !row.expired)), now);
        }
        const last = rows.length === batchRows ? rows.at(-1) : undefined;
        place = last ? { tenantId: last.tenant_id, id: last.id } : { ...beginning };
        // What still waits is not late by our doing; more to look at is more to do.
        return { done: last ? rows.length : 0, dueAt: null };
      });
    },
  };
}

/** Which of them have ended: nothing of them waits, runs, or holds others back. */
async function splitEnded(
  trx: Transaction<Database>,
  tenantId: string,
  ids: readonly string[],
): Promise<{ ended: string[]; rest: string[] }> {
  // Two looks by key: as one with "not exists" the second became a scan of all deliveries.
  const { rows: waiting } = await sql<{ id: string }>`
    select id from inbound_messages
    where tenant_id = ${tenantId} and id = any(${[...ids]}::uuid[]) and status = 'received'`.execute(trx);
  const { rows: unfinished } = await sql<{ id: string }>`
    select message_id as id from deliveries
    where tenant_id = ${tenantId} and message_id = any(${[...ids]}::uuid[])
      and (state in ('pending', 'running', 'awaiting') or holds_key)`.execute(trx);
  const open = new Set([...waiting, ...unfinished].map((row) => row.id));
  return { ended: ids.filter((id) => !open.has(id)), rest: ids.filter((id) => open.has(id)) };
}

async function blank(trx: Transaction<Database>, tenantId: string, ids: readonly string[], now: Date): Promise<void> {
  if (ids.length === 0) return;
  await sql`update inbound_messages m set ${blankPayload(now)}, overdue = false, status = ${messageStatus},
      error = case when ${messageStatus} <> 'processed' then ${codeAlone(sql.ref('m.error'))} end
    where m.tenant_id = ${tenantId} and m.id = any(${[...ids]}::uuid[]) and (m.blanked_at is null or m.overdue)`.execute(
    trx,
  );
}

async function noteOverdue(trx: Transaction<Database>, tenantId: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await sql`update inbound_messages set overdue = true
    where tenant_id = ${tenantId} and id = any(${[...ids]}::uuid[]) and not overdue`.execute(trx);
}

async function deleteMessages(trx: Transaction<Database>, tenantId: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  const { rows } = await sql<{ id: string }>`
    select id from deliveries where tenant_id = ${tenantId} and message_id = any(${[...ids]}::uuid[])`.execute(trx);
  await deleteDeliveries(
    trx,
    tenantId,
    rows.map((row) => row.id),
  );
  await sql`delete from inbound_messages where tenant_id = ${tenantId} and id = any(${[...ids]}::uuid[])`.execute(trx);
}
