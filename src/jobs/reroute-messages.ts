import { sql, type Kysely, type Transaction } from 'kysely';
import { dropHolds, lockKeys, releaseNext } from '../db/ordering-keys.ts';
import { messageStatus } from '../db/message-status.ts';
import type { Database, DeliveryState } from '../db/schema.ts';
import type { BoundedCount } from '../db/slices.ts';
import { countMessages, messageFilter, takeMessages, type MessageConditions } from '../inbox/message-filter.ts';
import { cancelWaiting } from '../outbox/cancel.ts';
import { decideMessages, type Decided, type Message } from '../routing/decide-batch.ts';
import { takeRoutingLock } from '../routing/router.ts';
import { keyOf, storeDecisions } from '../routing/store-decisions.ts';
import type { Work, WorkContext } from './work.ts';

/** Why a message stays where it is although it would be routed otherwise now. */
export type SkipReason = 'in_progress' | 'channel_paused' | 'payload_gone';

/** What deciding a message again has come to. */
export interface Rerouting extends Decided {
  readonly outcome: 'rerouted' | 'unchanged' | 'skipped';
  readonly skipped: SkipReason | null;
}

/** Decides messages again, by the links and routes of today. */
export const rerouteWork: Work = {
  batchSize: 200,
  async runBatch(trx, job, limit, context) {
    const filter = messageFilter.parse(job.filter);
    await takeRoutingLock(trx);
    const slice = { after: job.position, upTo: job.options.upTo, limit };
    const messages = await takeMessages(trx, job.tenant_id, filter, slice);
    const reroutings = await rerouteLocked(trx, job.tenant_id, messages, context);
    const count = (outcome: Rerouting['outcome']): number => reroutings.filter((one) => one.outcome === outcome).length;
    return {
      position: messages.at(-1)?.id ?? null,
      done: messages.length,
      changed: count('rerouted'),
      skipped: count('skipped'),
      isLast: messages.length < limit,
      made: 'deliveries',
    };
  },
};

export interface ReroutePlan extends BoundedCount {
  readonly items: readonly Rerouting[];
}

/** What rerouting would change: how many messages the filter finds, and what of the first would. */
export async function planReroute(
  db: Kysely<Database>,
  tenantId: string,
  filter: MessageConditions,
  limit: number,
): Promise<ReroutePlan> {
  const found = await countMessages(db, tenantId, filter, null);
  const messages = await takeMessages(db, tenantId, filter, { after: null, upTo: null, limit });
  return { ...found, items: await planMessages(db, tenantId, messages) };
}

/** Decides messages again and writes nothing. */
export async function planMessages(
  db: Kysely<Database>,
  tenantId: string,
  messages: readonly Message[],
): Promise<Rerouting[]> {
  const decided = await decideMessages(db, messages);
  const deliveries = await findOpen(db, tenantId, decided.filter(isChanged));
  const busy = new Set(deliveries.filter(isUnderWay).map((delivery) => delivery.message_id));
  return sortOut(decided, busy, await findPaused(db, tenantId, messages));
}

/** Reroutes one message at once. */
export async function rerouteMessage(
  db: Kysely<Database>,
  tenantId: string,
  messageId: string,
  context: WorkContext,
): Promise<Rerouting | undefined> {
  return await db.transaction().execute(async (trx) => {
    await takeRoutingLock(trx);
    const slice = { after: null, upTo: null, limit: 1 };
    const messages = await takeMessages(trx, tenantId, { ids: [messageId] }, slice);
    return (await rerouteLocked(trx, tenantId, messages, context))[0];
  });
}

/**
 * Decides messages again and stores what has changed: deliveries of the old decision that wait are
 * cancelled, what a dead one held goes on, and the new decision makes a delivery of its own. Under
 * the routing lock. Rows that others work on are skipped rather than waited for, because a
 * completion takes them the other way round.
 */
async function rerouteLocked(
  trx: Transaction<Database>,
  tenantId: string,
  messages: readonly Message[],
  context: WorkContext,
): Promise<Rerouting[]> {
  const decided = await decideMessages(trx, inOrderOfArrival(messages));
  const changed = decided.filter(isChanged);
  const paused = await findPaused(trx, tenantId, messages);
  if (changed.length === 0) return sortOut(decided, new Set(), paused);

  const newKeys = changed
    .filter(({ decision }) => decision.status === 'routed')
    .map((one) => ({ tenant_id: tenantId, ordering_key: keyOf(one, context.orderOf) }));
  const before = await findOpen(trx, tenantId, changed);
  await lockKeys(trx, [...before, ...newKeys]);
  const open = await findOpen(trx, tenantId, changed);
  const waiting = await lockWaiting(trx, tenantId, open);
  const busy = await findBusy(trx, tenantId, changed, open, waiting);
  // One that came to a key after the keys were locked: its message has to wait for another time.
  const lockedKeys = new Set([...before, ...newKeys].map((one) => one.ordering_key));
  for (const { ordering_key: key, message_id: id } of open) if (key !== null && !lockedKeys.has(key)) busy.add(id);

  const result = sortOut(decided, busy, paused);
  const moving = result.filter((one) => one.outcome === 'rerouted');
  const movingIds = new Set(moving.map(({ message }) => message.id));
  const left = open.filter((delivery) => movingIds.has(delivery.message_id));
  const ids = left.map((delivery) => delivery.id);
  await cancelWaiting(trx, tenantId, ids, 'rerouted');
  await dropHolds(trx, tenantId, ids);
  await outdate(trx, tenantId, movingIds);
  await storeDecisions(trx, moving, context.now(), context.orderOf);
  await releaseNext(trx, [...left, ...newKeys]);
  return result;
}

/** What was delivered before says nothing any more of how the message fares. */
async function outdate(trx: Transaction<Database>, tenantId: string, messageIds: ReadonlySet<string>): Promise<void> {
  await sql`update deliveries set outdated = true
    where tenant_id = ${tenantId} and message_id = any(${[...messageIds]}::uuid[]) and state = 'succeeded'`.execute(
    trx,
  );
}

function inOrderOfArrival(messages: readonly Message[]): Message[] {
  return messages.toSorted((a, b) => Number(a.arrival) - Number(b.arrival) || (a.id < b.id ? -1 : 1));
}

/** Whether the message would go another way than it went. */
function isChanged({ message, decision }: Decided): boolean {
  const isRouted = !['unrouted', 'rejected'].includes(message.status);
  const wasRouted = isRouted ? 'routed' : message.status;
  if (wasRouted !== decision.status || message.route_id !== (decision.route?.id ?? null)) return true;
  return isRouted && message.route_target_id !== (decision.route?.targetId ?? null);
}

function sortOut(
  decided: readonly Decided[],
  busy: ReadonlySet<string>,
  pausedChannels: ReadonlySet<string>,
): Rerouting[] {
  return decided.map((one) => {
    if (!isChanged(one)) return { ...one, outcome: 'unchanged', skipped: null };
    const { message } = one;
    const skipped =
      message.blanked_at !== null
        ? 'payload_gone'
        : pausedChannels.has(message.channel_id)
          ? 'channel_paused'
          : busy.has(message.id)
            ? 'in_progress'
            : null;
    return { ...one, outcome: skipped === null ? 'rerouted' : 'skipped', skipped };
  });
}

interface OpenDelivery {
  readonly tenant_id: string;
  readonly id: string;
  readonly message_id: string;
  readonly ordering_key: string | null;
  readonly state: DeliveryState;
}

/** A target has it, or may: the message cannot be taken away from there. */
function isUnderWay(delivery: OpenDelivery): boolean {
  return delivery.state === 'running' || delivery.state === 'awaiting';
}

/** The deliveries of messages that have not ended, or hold their key. */
async function findOpen(db: Kysely<Database>, tenantId: string, decided: readonly Decided[]): Promise<OpenDelivery[]> {
  if (decided.length === 0) return [];
  return await db
    .selectFrom('deliveries')
    .select(['tenant_id', 'id', 'message_id', 'ordering_key', 'state'])
    .where('tenant_id', '=', tenantId)
    .where(
      'message_id',
      'in',
      decided.map(({ message }) => message.id),
    )
    .where((eb) => eb.or([eb('state', 'in', ['pending', 'running', 'awaiting']), eb('holds_key', '=', true)]))
    .execute();
}

/** Locks those that wait, except what somebody claims at this moment. */
async function lockWaiting(
  trx: Transaction<Database>,
  tenantId: string,
  open: readonly OpenDelivery[],
): Promise<ReadonlySet<string>> {
  if (open.length === 0) return new Set();
  const { rows } = await sql<{ id: string }>`
    select id from deliveries where tenant_id = ${tenantId} and state = 'pending'
      and id = any(${open.map((one) => one.id)}::uuid[]) order by id for update skip locked`.execute(trx);
  return new Set(rows.map((row) => row.id));
}

/** Messages that something is under way for, or that are not what they were when they were decided. */
async function findBusy(
  trx: Transaction<Database>,
  tenantId: string,
  changed: readonly Decided[],
  open: readonly OpenDelivery[],
  waiting: ReadonlySet<string>,
): Promise<Set<string>> {
  const busy = new Set(open.filter((one) => one.state !== 'dead' && !waiting.has(one.id)).map((one) => one.message_id));
  const { rows } = await sql<{ id: string; status: string }>`
    select m.id, ${messageStatus} as status from inbound_messages m where m.tenant_id = ${tenantId}
      and m.id = any(${changed.map(({ message }) => message.id)}::uuid[]) order by m.id for update skip locked`.execute(
    trx,
  );
  const statuses = new Map(rows.map((row) => [row.id, row.status]));
  for (const { message } of changed) if (statuses.get(message.id) !== message.status) busy.add(message.id);
  return busy;
}

/** Which of the messages' channels are paused: what came by them waits until they go on. */
async function findPaused(
  db: Kysely<Database>,
  tenantId: string,
  messages: readonly Message[],
): Promise<ReadonlySet<string>> {
  if (messages.length === 0) return new Set();
  const rows = await db
    .selectFrom('channels')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .where('id', 'in', [...new Set(messages.map((message) => message.channel_id))])
    .where('status', '=', 'paused')
    .execute();
  return new Set(rows.map((row) => row.id));
}
