import { sql } from 'kysely';
import type { ParsedMessage } from '../../src/provider.ts';
import { messageStatus } from '../../src/db/message-status.ts';
import { claimDeliveries, type Claim } from '../../src/outbox/claim.ts';
import { completeDeliveries, nothingMore, type Completion, type Counted } from '../../src/outbox/complete.ts';
import { routeBatch } from '../../src/routing/router.ts';
import type { TestDatabase } from '../support/databases.ts';
import { createWebhookChannel } from '../support/story.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

/** How the routes of the model differ: without order, with it, and with it and a dead one that holds. */
export const lanes = ['free', 'ordered', 'holding'] as const;
export type Lane = (typeof lanes)[number];

/** What the model is compared with, of one delivery. */
export interface DeliveryRow {
  readonly id: string;
  readonly messageId: string;
  readonly key: string | null;
  readonly state: string;
  readonly blocked: boolean;
  readonly holdsKey: boolean;
  readonly fence: number;
  readonly attempts: number;
}

/** The real outbox with everything around it that the commands need. No loop runs: the commands are the workers. */
export interface World {
  readonly app: TestApp;
  readonly db: TestDatabase['db'];
  /** Where a second worker's statements go: another pool on PostgreSQL. */
  readonly otherDb: TestDatabase['db'];
  readonly targetIds: Readonly<Record<Lane, string>>;
  /** Forgets everything but channels, targets and routes. */
  reset(): Promise<void>;
  /** Books messages as one webhook that has them all, and routes them. */
  arrive(lane: Lane, threads: readonly string[]): Promise<void>;
  claim(worker: string, free: number, onOther?: boolean): Promise<readonly Claim[]>;
  end(claim: Claim, worker: string, ended: Ended): Promise<Counted>;
  endAll(ended: readonly { claim: Claim; worker: string; ended: Ended }[]): Promise<Counted[]>;
  deliveries(): Promise<DeliveryRow[]>;
  messages(): Promise<{ id: string; status: string }[]>;
  /** Makes a time of a delivery pass. */
  pass(id: string, what: 'lease_until' | 'run_at'): Promise<void>;
  stop(): Promise<void>;
}

export type Ended = Pick<Completion, 'outcome'> & Partial<Pick<Completion, 'delayMs' | 'onDeadline' | 'holdsKey'>>;

const config: Readonly<Record<Lane, object>> = {
  free: {},
  ordered: { order: 'conversation' },
  holding: { order: 'conversation', onDead: 'hold' },
};

/** A target that is never called: it is claimed for, paused and resumed. */
const target = {
  kind: 'http',
  url: 'http://127.0.0.1:9/',
  policy: { maxAttempts: 100, backoffBaseMs: 1, backoffCapMs: 1, concurrency: 100 },
};

/** Sets up a channel, a target and a route for each lane, through the API. */
export async function createWorld(database: TestDatabase): Promise<World> {
  const app = await startTestApp(database, { env: { ROLE: 'ingest' } });
  const { db } = database;
  const channelIds: Partial<Record<Lane, string>> = {};
  const targetIds: Partial<Record<Lane, string>> = {};
  for (const lane of lanes) {
    const channel = await createWebhookChannel(app.client);
    const made = await app.client.post('/api/v1/targets', { ...target, name: lane });
    await app.client.post('/api/v1/communications/routes', {
      channelId: channel.id,
      targetId: made.id,
      config: config[lane],
    });
    channelIds[lane] = channel.id;
    targetIds[lane] = made.id;
  }
  const otherDb = database.another().db;
  let booked = 0;

  const endAll: World['endAll'] = (ended) =>
    completeDeliveries(
      db,
      ended.map(({ claim, worker, ended: how }) => ({ ...unremarkable, claim, worker, ...how })),
    );

  return {
    app,
    db,
    otherDb,
    targetIds: targetIds as Record<Lane, string>,
    async reset() {
      await sql`truncate deliveries, attempts, claims, inbound_messages, events`.execute(db);
      await sql`update targets set status = 'active', status_reason = null`.execute(db);
    },
    async arrive(lane, threads) {
      await app.app.services.inbox.accept({
        tenantId: app.tenantId,
        channelId: channelIds[lane] as string,
        provider: 'standard-webhooks',
        receivedAt: new Date(),
        method: 'POST',
        url: app.url,
        headers: [],
        body: new Uint8Array(),
        deliveryId: null,
        ignored: [],
        unparsedReason: null,
        messages: threads.map((thread) => messageOf(thread, String((booked += 1)))),
      });
      await routeBatch(db, 200, new Date());
    },
    async claim(worker, free, onOther = false) {
      const { claims } = await claimDeliveries(onOther ? otherDb : db, {
        worker,
        free,
        leaseSeconds: 3_600,
        workers: 1,
        rank: 0,
        load: [],
        position: { tenant: null, targets: {} },
      });
      return claims;
    },
    end: async (claim, worker, ended) => (await endAll([{ claim, worker, ended }]))[0] as Counted,
    endAll,
    deliveries: () => readDeliveries(db),
    messages: () =>
      db
        .selectFrom('inbound_messages as m')
        .select(['m.id', messageStatus.as('status')])
        .execute(),
    async pass(id, what) {
      await sql`update deliveries set ${sql.ref(what)} = now() - interval '1 second' where id = ${id}`.execute(db);
      await db
        .updateTable('claims')
        .set({ look_at: sql`now() - interval '1 second'` })
        .execute();
    },
    stop: () => app.stop(),
  };
}

const unremarkable = {
  ...nothingMore,
  from: 'running',
  startedAt: new Date(),
  durationMs: 1,
} as const;

function messageOf(thread: string, id: string): ParsedMessage {
  return {
    channel: 'webhook',
    externalIdentity: 'model',
    displayName: null,
    recipient: null,
    text: id,
    channelMessageId: id,
    channelThreadId: thread,
    attachments: [],
    channelMetadata: {},
    sentAt: null,
    vouched: true,
    dedupeKey: id,
  };
}

async function readDeliveries(db: TestDatabase['db']): Promise<DeliveryRow[]> {
  const rows = await db
    .selectFrom('deliveries')
    .select(['id', 'message_id', 'ordering_key', 'state', 'blocked', 'holds_key', 'fence', 'attempts'])
    .orderBy('id')
    .execute();
  return rows.map((row) => ({
    id: row.id,
    messageId: row.message_id,
    key: row.ordering_key,
    state: row.state,
    blocked: row.blocked,
    holdsKey: row.holds_key,
    fence: Number(row.fence),
    attempts: row.attempts,
  }));
}
