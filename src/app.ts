import type { Hono } from 'hono';
import { handlers } from '../handlers/index.ts';
import { createAuthenticator } from './access/tokens.ts';
import type { Config } from './config.ts';
import type { DatabaseHandle } from './db/client.ts';
import { createNotifier } from './db/notices.ts';
import type { Handler } from './handler.ts';
import { createServer } from './http/server.ts';
import type { Asset, Services } from './http/services.ts';
import { createInbox } from './inbox/accept.ts';
import { createChannelDirectory } from './inbox/channel-directory.ts';
import { ensureEventPartitions } from './inbox/partitions.ts';
import { createRejectionLog } from './inbox/rejections.ts';
import { messageOf } from './lib/errors.ts';
import { newId } from './lib/ids.ts';
import type { Logger } from './lib/logger.ts';
import type { SafeFetch } from './lib/safe-fetch.ts';
import { createSealer } from './lib/sealing.ts';
import { createTurn } from './lib/turn.ts';
import { createWorker } from './outbox/worker.ts';
import type { Provider } from './provider.ts';
import { providers } from './providers/index.ts';
import { createRouter } from './routing/router-loop.ts';

/** What the entry hands down: everything that differs between the homes. */
export interface Runtime {
  readonly database: DatabaseHandle;
  readonly secretKey: string;
  readonly safeFetch: SafeFetch;
  readonly logger: Logger;
  readonly loadAsset: (name: string) => Promise<Asset | undefined>;
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
  /** Starts the loops that this process's role has. */
  start(): Promise<void>;
  /** Ends them: nothing new is claimed, what runs may finish for so long, the rest is released. */
  stop(graceMs: number): Promise<void>;
}

const inboxChannel = 'postroom_inbox';
const outboxChannel = 'postroom_outbox';
const hourMs = 3_600_000;

/** Wires everything, once. There is no other state than what hangs on the result. */
export function createApp(config: Config, runtime: Runtime, overrides: Overrides = {}): App {
  const { database, logger, safeFetch } = runtime;
  const { db } = database;
  const now = overrides.now ?? (() => new Date());
  const pollMs = overrides.pollMs ?? 1_000;
  const isIngest = config.role !== 'worker';
  const isWorker = config.role !== 'ingest';
  const sealer = createSealer(runtime.secretKey);

  const notify = (channel: string): (() => void) =>
    database.kind === 'postgres' ? createNotifier(db, channel, 50, logger) : () => {};
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
  });
  const wakeOutbox = (): void => {
    worker.wake();
    notifyOutbox();
  };
  const router = createRouter({ db, logger, now, pollMs, onDeliveries: wakeOutbox });
  const wakeRouter = (): void => {
    router.wake();
    notifyInbox();
  };

  const inbox = createInbox(db, { onBooked: wakeRouter });
  const rejections = createRejectionLog(db, logger);
  const services: Services = {
    db,
    sealer,
    inbox,
    rejections,
    logger,
    now,
    wakeOutbox,
    wakeRouter,
    endOfTurn: createTurn(),
    providers: overrides.providers ?? providers,
    handlers: overrides.handlers ?? handlers,
    directory: createChannelDirectory(db, sealer),
    authenticator: createAuthenticator(db, now),
    publicUrl: config.publicUrl,
    inboundDomain: config.inboundDomain,
    assertAllowedUrl: (url) => safeFetch.assertAllowedUrl(url),
    loadAsset: runtime.loadAsset,
  };
  const server = createServer(services, { ingest: isIngest, api: isIngest });

  let stopListening: (() => Promise<void>) | undefined;
  let maintenance: NodeJS.Timeout | undefined;

  async function maintain(): Promise<void> {
    try {
      await ensureEventPartitions(db, now());
    } catch (error) {
      logger.warn({ error: messageOf(error) }, 'event partitions could not be made ahead');
    }
  }

  return {
    fetch: server.fetch,
    services,
    async start() {
      await maintain();
      maintenance = setInterval(() => void maintain(), hourMs);
      if (!isWorker) return;
      stopListening = await database.listen(
        (channel) => (channel === inboxChannel ? router.wake() : worker.wake()),
        [inboxChannel, outboxChannel],
      );
      router.start();
      worker.start();
    },
    async stop(graceMs) {
      clearInterval(maintenance);
      await stopListening?.();
      await inbox.drain();
      await rejections.flush();
      if (isWorker) {
        await router.stop();
        await worker.stop(graceMs);
      }
    },
  };
}
