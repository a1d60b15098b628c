import { randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import { ensureFirstAdmin, firstTenantId } from '../src/access/tenants.ts';
import { openPostgres } from '../src/db/client.ts';
import { migrateToLatest } from '../src/db/migrate.ts';
import type { Database } from '../src/db/schema.ts';
import { createInbox, type Arrival } from '../src/inbox/accept.ts';
import { createChannel } from '../src/inbox/channels.ts';
import { createEndpoint, wholeChannelEndpoint } from '../src/inbox/endpoints.ts';
import { silentLogger } from '../src/lib/logger.ts';
import { createSealer, newSealingKey } from '../src/lib/sealing.ts';
import { newWebhookSecret } from '../src/lib/standard-webhooks.ts';
import { claimDeliveries } from '../src/outbox/claim.ts';
import { forgetClaims } from '../src/outbox/leases.ts';
import { completeDeliveries, nothingMore, type Completion } from '../src/outbox/complete.ts';
import { listMessageDeliveries } from '../src/outbox/deliveries.ts';
import { providers } from '../src/providers/index.ts';
import { ensureEventPartitions } from '../src/retention/partitions.ts';
import { createIdentityLink } from '../src/routing/identity-links.ts';
import { routeBatch } from '../src/routing/router.ts';
import { insertRoute } from '../src/routing/routes.ts';

/** One tenant with one channel. */
export interface Place {
  readonly db: Kysely<Database>;
  readonly tenantId: string;
  readonly channelId: string;
}

/** A place in a database of its own. */
export interface World extends Place {
  readonly url: string;
  close(): Promise<void>;
}

/** Opens a database, migrates it, and makes a place in it. */
export async function makeWorld(url: string): Promise<World> {
  const { db, close } = openPostgres(url, silentLogger, { poolSize: 4, patient: true });
  await migrateToLatest(db, silentLogger);
  return { ...(await makePlace(db)), url, close };
}

/** Makes the first tenant, and the channel that its messages come by, in a migrated database. */
export async function makePlace(db: Kysely<Database>): Promise<Place> {
  await ensureEventPartitions(db, new Date());
  await ensureFirstAdmin(db, randomUUID());
  const context = { db, sealer: createSealer(newSealingKey()), providers, now: () => new Date() };
  const given = { provider: 'standard-webhooks', name: 'bench', secrets: { secret: newWebhookSecret() }, settings: {} };
  const { channel } = await createChannel(context, firstTenantId, given);
  return { db, tenantId: firstTenantId, channelId: channel.id };
}

/** Opens a copy of a world's database. */
export function reopenWorld(world: World, url: string): World {
  const { db, close } = openPostgres(url, silentLogger, { poolSize: 4, patient: true });
  return { ...world, db, url, close };
}

/** A route to nowhere: its deliveries have no target, so that no target's limits are measured. */
export async function makeRoute(world: Place, recipient: string | null): Promise<string> {
  const { db, tenantId, channelId } = world;
  const endpoint =
    recipient === null
      ? await wholeChannelEndpoint(db, tenantId, channelId)
      : await createEndpoint(db, tenantId, channelId, { address: recipient, displayName: null });
  const { id } = await insertRoute(db, tenantId, {
    channelId,
    endpointId: endpoint.id,
    handlerKind: 'process',
    targetKind: null,
    targetId: null,
    workflowKey: null,
    workspaceId: null,
    threadId: null,
    allowedSenderPolicy: {},
    config: {},
    priority: 0,
  });
  return id;
}

/** Who writes: number so and so, in the form that `fill.ts` gives to the links. */
export function senderOf(n: number): string {
  return `customer-${n}@example.com`;
}

/** What is written to: number so and so, in the form that `fill.ts` gives to the endpoints. */
export function recipientOf(n: number): string {
  return `orders-${n}`;
}

export async function makeLink(world: Place, n: number): Promise<void> {
  await createIdentityLink(world.db, world.tenantId, {
    channel: 'webhook',
    externalIdentity: senderOf(n),
    userId: `user-${n}`,
    agentSpecId: null,
    verified: true,
  });
}

const body = Buffer.from(JSON.stringify({ type: 'message.created', notes: 'Tea, two tins. '.repeat(70) }));

/** A webhook of 1.1 KB with one message, as a provider hands it to the inbox. */
export function arrivalOf(world: Place, sender: string, recipient: string): Arrival {
  const id = randomUUID();
  return {
    tenantId: world.tenantId,
    channelId: world.channelId,
    provider: 'standard-webhooks',
    receivedAt: new Date(),
    method: 'POST',
    url: `http://hooks.example.com/in/${world.channelId}`,
    headers: [
      ['content-type', 'application/json'],
      ['webhook-id', id],
    ],
    body,
    deliveryId: id,
    messages: [
      {
        channel: 'webhook',
        externalIdentity: sender,
        displayName: 'Ada Example',
        recipient,
        text: 'Could you tell me when my order will be sent? I have moved, and the address is an old one.',
        channelMessageId: id,
        channelThreadId: 'order-417',
        attachments: [],
        channelMetadata: { order: { number: 'A-2026-000417', currency: 'EUR', total: 129.9 } },
        sentAt: null,
        vouched: true,
        dedupeKey: id,
      },
    ],
    ignored: [],
    unparsedReason: null,
  };
}

/** One message that came and was routed the real way; returns its id and its delivery's. */
export async function bookSample(world: Place): Promise<{ messageId: string; deliveryId: string }> {
  const { db, tenantId } = world;
  const inbox = createInbox(db, { onBooked: () => {} });
  const { messageIds } = await inbox.accept(arrivalOf(world, senderOf(1), recipientOf(1)));
  const messageId = messageIds[0] as string;
  await routeBatch(db, 1, new Date());
  const [delivery] = await listMessageDeliveries(db, tenantId, messageId);
  if (!delivery) throw new Error('the sample was not routed');
  return { messageId, deliveryId: delivery.id };
}

const worker = 'bench';

/** Claims what is due, in one claim, and completes it as succeeded; returns how many, and how long each took. */
export async function claimAndComplete(
  db: Kysely<Database>,
  free: number,
): Promise<{ count: number; claimMs: number; completeMs: number }> {
  const started = performance.now();
  const { claims, claimId } = await claimDeliveries(db, {
    worker,
    free,
    leaseSeconds: 30,
    workers: 1,
    rank: 0,
    load: [],
    position: { tenant: null, targets: {} },
  });
  const claimed = performance.now();
  await completeDeliveries(
    db,
    claims.map((claim): Completion => ({
      claim,
      worker,
      from: 'running',
      outcome: 'succeeded',
      ...nothingMore,
      result: { handedTo: null },
      startedAt: new Date(),
      durationMs: 0,
    })),
  );
  await forgetClaims(db, claimId === null ? [] : [claimId]);
  return { count: claims.length, claimMs: claimed - started, completeMs: performance.now() - claimed };
}
