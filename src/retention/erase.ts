import { sql, type Kysely, type Transaction } from 'kysely';
import { routingLock } from '../db/locks.ts';
import { dropHolds, lockKeys, releaseNext } from '../db/ordering-keys.ts';
import { messageStatus } from '../db/message-status.ts';
import type { Database } from '../db/schema.ts';
import type { ChannelKind } from '../lib/channel-kinds.ts';
import { normalizeIdentity } from '../lib/identity.ts';
import { blankPayload, codeAlone } from './blank.ts';
import { isBusy } from './chore.ts';
import { blankEvents, eraseRepeatedEvents, type ReadSenders } from './erase-events.ts';

/** Whose traces go. */
export interface Erasure {
  readonly tenantId: string;
  readonly channel: ChannelKind;
  readonly externalIdentity: string;
}

/** What was found and erased; a second time nothing is found. */
export interface Erased {
  identityLinks: number;
  messages: number;
  events: number;
  deliveries: number;
  attempts: number;
  /** Deliveries that had not ended, among `deliveries`. */
  cancelled: number;
}

/** Stands where the identity stood. The same for all, so that it names nobody. */
export const tombstone = 'erased';

const pageRows = 5_000;
const batchRows = 100;
const tries = 3;
const zero = '00000000-0000-0000-0000-000000000000';

/**
 * Erases everything of one external identity of a tenant: its link, what its messages say and who
 * wrote them, the requests that brought them, what their deliveries led to. What has not ended is
 * cancelled. The idempotency keys stay, so that a repeated webhook is no new message. Walks the
 * tenant's messages and events by primary key, in batches; may be repeated at any time.
 *
 * @param readSenders who wrote the messages in a stored event, to find repeated ones.
 */
export async function eraseIdentity(
  db: Kysely<Database>,
  given: Erasure,
  readSenders: ReadSenders,
  now: Date,
): Promise<Erased> {
  const erasure = { ...given, externalIdentity: normalizeIdentity(given.channel, given.externalIdentity) };
  const total: Erased = { identityLinks: 0, messages: 0, events: 0, deliveries: 0, attempts: 0, cancelled: 0 };
  // First, so that what is routed meanwhile does not find it any more.
  total.identityLinks = await deleteLink(db, erasure);
  for (let after = zero; ;) {
    const page = await readPage(db, erasure, after);
    for (let start = 0; start < page.theirs.length; start += batchRows) {
      await eraseBatch(db, erasure.tenantId, page.theirs.slice(start, start + batchRows), now, total);
    }
    if (page.last === null) break;
    after = page.last;
  }
  total.events += await eraseRepeatedEvents(db, erasure, readSenders);
  return total;
}

async function deleteLink(db: Kysely<Database>, { tenantId, channel, externalIdentity }: Erasure): Promise<number> {
  const deleted = await db
    .deleteFrom('identity_links')
    .where('tenant_id', '=', tenantId)
    .where('channel', '=', channel)
    .where('external_identity', '=', externalIdentity)
    .returning('id')
    .execute();
  return deleted.length;
}

/** The identity's among the next messages, and the id to go on after; null at the end. */
async function readPage(
  db: Kysely<Database>,
  { tenantId, channel, externalIdentity }: Erasure,
  after: string,
): Promise<{ theirs: string[]; last: string | null }> {
  const { rows } = await sql<{ id: string; theirs: boolean }>`
    select id, channel = ${channel} and external_identity = ${externalIdentity} as theirs
    from inbound_messages where tenant_id = ${tenantId} and id > ${after}::uuid
    order by tenant_id, id limit ${pageRows}`.execute(db);
  return {
    theirs: rows.filter((row) => row.theirs).map((row) => row.id),
    last: rows.length === pageRows ? (rows.at(-1)?.id ?? null) : null,
  };
}

/** One commit; tried again where it was in somebody's way. */
async function eraseBatch(
  db: Kysely<Database>,
  tenantId: string,
  ids: readonly string[],
  now: Date,
  total: Erased,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const erased = await db.transaction().execute((trx) => eraseMessages(trx, tenantId, ids, now));
      for (const key of ['messages', 'events', 'deliveries', 'attempts', 'cancelled'] as const) {
        total[key] += erased[key];
      }
      return;
    } catch (error) {
      if (!isBusy(error) || attempt === tries) throw error;
    }
  }
}

async function eraseMessages(
  trx: Transaction<Database>,
  tenantId: string,
  ids: readonly string[],
  now: Date,
): Promise<Omit<Erased, 'identityLinks'>> {
  // Nobody routes meanwhile: a delivery made beside this would be missed.
  await sql`select pg_advisory_xact_lock(${routingLock}::bigint)`.execute(trx);
  const ended = await eraseDeliveries(trx, tenantId, ids);
  const { rows } = await sql<{ event_id: string }>`
    update inbound_messages m set ${blankPayload(now)}, external_identity = ${tombstone}, user_id = null,
      channel_message_id = null, channel_thread_id = null, traceparent = null, held = false, overdue = false,
      status = case when s.status in ('received', 'routed') then 'failed' else s.status end,
      error = case when s.status in ('received', 'routed') then '{"code":"erased"}'
        when s.status <> 'processed' then ${codeAlone(sql.ref('m.error'))} end,
      updated_at = ${now}
    from (select m.id, ${messageStatus} as status from inbound_messages m
      where m.tenant_id = ${tenantId} and m.id = any(${[...ids]}::uuid[])) s
    where m.tenant_id = ${tenantId} and m.id = s.id
    returning m.event_id`.execute(trx);
  const events = await blankEvents(
    trx,
    tenantId,
    rows.map((row) => row.event_id),
  );
  return { messages: rows.length, events, ...ended };
}

interface Found {
  readonly id: string;
  readonly tenant_id: string;
  readonly ordering_key: string | null;
  readonly state: string;
}

/** Ends what has not ended, and takes out of all what the target said. Locks as completions do. */
async function eraseDeliveries(
  trx: Transaction<Database>,
  tenantId: string,
  messageIds: readonly string[],
): Promise<Pick<Erased, 'deliveries' | 'attempts' | 'cancelled'>> {
  const select = sql`select id, tenant_id, ordering_key, state from deliveries
    where tenant_id = ${tenantId} and message_id = any(${[...messageIds]}::uuid[])`;
  await lockKeys(trx, (await sql<Found>`${select}`.execute(trx)).rows);
  const { rows } = await sql<Found>`${select} order by id for update`.execute(trx);
  const ids = rows.map((row) => row.id);
  if (ids.length === 0) return { deliveries: 0, attempts: 0, cancelled: 0 };
  await dropHolds(trx, tenantId, ids);
  await forestallLateAttempts(trx, tenantId, ids);
  const unfinished = rows.filter((row) => ['pending', 'running', 'awaiting'].includes(row.state));
  const attempts = await sql`
    update attempts a set response = null, error = ${codeAlone(sql.ref('a.error'))}
    where a.tenant_id = ${tenantId} and a.delivery_id = any(${ids}::uuid[])`.execute(trx);
  await sql`
    update deliveries d set result = null, callback = null, ordering_key = null, blocked = false, held = false,
      error = case when d.state in ('pending', 'running', 'awaiting') then '{"code":"erased"}' else
        ${codeAlone(sql.ref('d.error'))} end,
      state = case when d.state in ('pending', 'running', 'awaiting') then 'cancelled' else d.state end,
      finished_at = coalesce(d.finished_at, now()), on_deadline = null, lease_owner = null, lease_until = null, updated_at = now()
    where d.tenant_id = ${tenantId} and d.id = any(${ids}::uuid[])`.execute(trx);
  await releaseNext(trx, rows);
  return { deliveries: ids.length, attempts: Number(attempts.numAffectedRows ?? 0), cancelled: unfinished.length };
}

/**
 * A run that is under way ends after this, and would log what the target answered. Its attempt is
 * there already then, and a completion that comes late changes none that is.
 */
async function forestallLateAttempts(
  trx: Transaction<Database>,
  tenantId: string,
  ids: readonly string[],
): Promise<void> {
  await sql`
    insert into attempts (tenant_id, delivery_id, fence, number, worker, outcome, error, started_at, duration_ms)
    select tenant_id, id, fence, attempts, coalesce(lease_owner, 'unknown'), 'superseded', '{"code":"erased"}',
      updated_at, least(extract(epoch from now() - updated_at) * 1000, 2147483647)::int
    from deliveries where tenant_id = ${tenantId} and id = any(${[...ids]}::uuid[]) and state = 'running'
    on conflict do nothing`.execute(trx);
}
