import type { Context, Hono } from 'hono';
import { handlers } from '../handlers/index.ts';
import { createAuthenticator } from './access/tokens.ts';
import { ConfigError, type Config } from './config.ts';
import type { DatabaseHandle } from './db/client.ts';
import { createNotifier } from './db/notices.ts';
import type { Handler } from './handler.ts';
import { createServer } from './http/server.ts';
import type { Asset, Services } from './http/services.ts';
import { createInbox } from './inbox/accept.ts';
import { createChannelDirectory } from './inbox/channel-directory.ts';
import { createRejectionLog } from './inbox/rejections.ts';
import { createJobRunner } from './jobs/runner.ts';
import { clientAddress, parseRange } from './lib/client-address.ts';
import { PermanentError } from './lib/errors.ts';
import { newId } from './lib/ids.ts';
import type { Logger } from './lib/logger.ts';
import { createPublishedDocuments } from './lib/published.ts';
import type { SafeFetch } from './lib/safe-fetch.ts';
import { createSealer } from './lib/sealing.ts';
import { noTracing, type Tracing } from './lib/tracing.ts';
import { createTurn } from './lib/turn.ts';
import { createBacklogReader } from './metrics/backlog.ts';
import { noMetrics, type CreateMetrics } from './metrics/metrics.ts';
import { createWorker } from './outbox/worker.ts';
import type { Provider, ProviderFetch } from './provider.ts';
import { providers } from './providers/index.ts';
import { createRetention, earlierClock, type Retention } from './retention/loop.ts';
import type { RoutedBatch } from './routing/router.ts';
import { createRouter } from './routing/router-loop.ts';
import { traceBatch } from './routing/trace-batch.ts';

const callTimeoutMs = 30_000;
const maxFileBytes = 64 * 1024 * 1024;

/** GitHub's API and Meta's file server refuse requests that name nobody. */
const userAgent = 'Postroom/1';

/** The way out for providers: what is longer than 64 MiB is not had. */
function providerFetch(safeFetch: SafeFetch): ProviderFetch {
  return async (url, { method = 'GET', headers, body } = {}) => {
    const answer = await safeFetch.fetch(url, {
      method,
      headers: withUserAgent(headers),
      body,
      timeoutMs: callTimeoutMs,
      maxResponseBytes: maxFileBytes,
    });
    if (answer.truncated) throw new PermanentError('too_large', `it is larger than ${maxFileBytes} bytes`);
    return answer;
  };
}

function withUserAgent(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  const isGiven = Object.keys(headers).some((name) => name.toLowerCase() === 'user-agent');
  return isGiven ? { ...headers } : { 'user-agent': userAgent, ...headers };
}

/** What the entry hands down: everything that differs between the homes. */
export interface Runtime {
  readonly database: DatabaseHandle;
  readonly secretKey: string;
  readonly safeFetch: SafeFetch;
  readonly logger: Logger;
  readonly loadAsset: (name: string) => Promise<Asset | undefined>;
  /** The IP address of a request's connection; undefined where this home does not tell. */
  readonly peerAddress: (c: Context) => string | undefined;
  /** Absent: nothing is counted, and there is no `/metrics`. */
  readonly createMetrics?: CreateMetrics | undefined;
  /** Absent: nothing is traced. */
  readonly tracing?: Tracing | undefined;
}

/** What a test may replace. */
export interface Overrides {
  readonly now?: () => Date;
  readonly providers?: ReadonlyMap<string, Provider>;
  readonly handlers?: ReadonlyMap<string, Handler>;
  readonly pollMs?: number;
}

export interface App {
  readonly fetch: Hono['fetch'];
  readonly services: Services;
  readonly retention: Retention;
  /** Starts the loops that this process's role has. */
  start(): Promise<void>;
  /** Ends them: nothing new is claimed, what runs may finish for so long, the rest is released. */
  stop(graceMs: number): Promise<void>;
}

const inboxChannel = 'postroom_inbox';
const outboxChannel = 'postroom_outbox';

/** Wires everything, once. There is no other state than what hangs on the result. */
export function createApp(config: Config, runtime: Runtime, overrides: Overrides = {}): App {
  const { database, logger, safeFetch } = runtime;
  const { db } = database;
  const now = overrides.now ?? (() => new Date());
  const pollMs = overrides.pollMs ?? 1_000;
  const isIngest = config.role !== 'worker';
  const isWorker = config.role !== 'ingest';
  const sealer = createSealer(runtime.secretKey);
  const tracing = runtime.tracing ?? noTracing;
  const backlog = createBacklogReader(db);
  const metrics =
    runtime.createMetrics?.({
      backlog,
      inboxQueued: () => inbox.queued,
      pool: database.pool,
      retention: isWorker ? () => retention.retentionStatus() : undefined,
    }) ?? noMetrics;

  const notify = (channel: string): (() => void) =>
    database.kind === 'postgres' ? createNotifier(db, channel, 10, logger) : () => {};
  const notifyInbox = notify(inboxChannel);
  const notifyOutbox = notify(outboxChannel);

  const worker = createWorker({
    db,
    sealer,
    safeFetch,
    logger,
    now,
    pollMs,
    handlers: overrides.handlers ?? handlers,
    name: `${config.role}-${newId()}`,
    concurrency: config.workerConcurrency,
    leaseSeconds: config.leaseSeconds,
    alone: database.kind === 'embedded',
    callbackBase: config.publicUrl ?? `http://${config.host}:${config.port}`,
    tracing,
    observe: metrics.outbox,
  });
  const wakeOutbox = (): void => {
    worker.wake();
    notifyOutbox();
  };
  const handlerSet = overrides.handlers ?? handlers;
  const orderOf = (kind: string) => handlerSet.get(kind)?.policy.order ?? 'none';
  const onBatch = (batch: RoutedBatch, startedAt: Date): void => {
    const endedAt = new Date();
    metrics.routing.batchEnded(batch, endedAt.getTime() - startedAt.getTime());
    traceBatch(tracing, batch, startedAt, endedAt);
  };
  const router = createRouter({ db, logger, now, pollMs, orderOf, onDeliveries: wakeOutbox, onBatch });
  const wakeRouter = (): void => {
    router.wake();
    notifyInbox();
  };

  const jobs = createJobRunner({
    db,
    logger,
    sealer,
    now,
    orderOf,
    pollMs,
    providers: overrides.providers ?? providers,
    name: `${config.role}-${newId()}`,
    leaseSeconds: config.leaseSeconds,
    onDeliveries: wakeOutbox,
    onMessages: wakeRouter,
  });

  const trustedProxies = config.trustedProxies.map((text) => {
    const range = parseRange(text);
    if (!range) throw new ConfigError(`TRUSTED_PROXIES: ${text} is no address and no CIDR`);
    return range;
  });
  const inbox = createInbox(db, { onBooked: wakeRouter, onFlush: metrics.ingest.flushed });
  const rejections = createRejectionLog(db, logger);
  const retention = createRetention({
    db,
    logger,
    days: {
      events: config.retentionEventsDays,
      payloads: config.retentionPayloadsDays,
      ledger: config.retentionLedgerDays,
      deliveries: config.retentionDeliveriesDays,
    },
    clock: overrides.now ? async () => now() : () => earlierClock(db, now()),
  });
  const services: Services = {
    db,
    sealer,
    inbox,
    rejections,
    logger,
    metrics,
    metricsToken: config.metricsToken,
    tracing,
    backlog,
    now,
    wakeOutbox,
    wakeRouter,
    wakeJobs: jobs.wake,
    orderOf,
    endOfTurn: createTurn(),
    providers: overrides.providers ?? providers,
    handlers: overrides.handlers ?? handlers,
    directory: createChannelDirectory(db, sealer),
    authenticator: createAuthenticator(db, now),
    publicUrl: config.publicUrl,
    inboundDomain: config.inboundDomain,
    assertAllowedUrl: (url) => safeFetch.assertAllowedUrl(url),
    retentionStatus: isWorker ? retention.retentionStatus : undefined,
    loadAsset: runtime.loadAsset,
    published: createPublishedDocuments(safeFetch, now),
    fetch: providerFetch(safeFetch),
    clientAddress: (c) =>
      clientAddress(runtime.peerAddress(c), c.req.header('x-forwarded-for') ?? null, trustedProxies),
  };
  const server = createServer(services, { ingest: isIngest, api: isIngest });

  let stopListening: (() => Promise<void>) | undefined;

  return {
    fetch: server.fetch,
    services,
    retention,
    async start() {
      if (!isWorker) return;
      await retention.start();
      stopListening = await database.listen(
        (channel) => (channel === inboxChannel ? router.wake() : worker.wake()),
        [inboxChannel, outboxChannel],
      );
      router.start();
      worker.start();
      jobs.start();
    },
    async stop(graceMs) {
      await retention.stop();
      await stopListening?.();
      await inbox.drain();
      await rejections.flush();
      if (isWorker) {
        await jobs.stop();
        await router.stop();
        await worker.stop(graceMs);
      }
    },
  };
}
