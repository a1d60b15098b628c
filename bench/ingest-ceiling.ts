import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely';
import { handlers } from '../handlers/index.ts';
import { createAuthenticator } from '../src/access/tokens.ts';
import type { Database } from '../src/db/schema.ts';
import { createServer } from '../src/http/server.ts';
import type { Services } from '../src/http/services.ts';
import { fromGiven, liveSecrets } from '../src/inbox/channel-secrets.ts';
import type { LiveChannel } from '../src/inbox/channel-directory.ts';
import { newId } from '../src/lib/ids.ts';
import { silentLogger } from '../src/lib/logger.ts';
import { createSealer, newSealingKey } from '../src/lib/sealing.ts';
import { noTracing } from '../src/lib/tracing.ts';
import { createTurn } from '../src/lib/turn.ts';
import { noMetrics } from '../src/metrics/metrics.ts';
import { jsonMessageSettings } from '../src/providers/kit/json-message/settings.ts';
import { providers } from '../src/providers/index.ts';
import { listenAsChild } from './ingest-listen.ts';
import type { StandInOptions } from './ingest-processes.ts';

/**
 * The ceiling: the service's own code from the socket to the inbox, with a channel that is in memory
 * and an inbox that says at once that everything is durable. Each request is verified, parsed and
 * answered by itself, as a server without any grouping does; as `turns`, the requests of one turn of
 * the event loop are taken together, as the service does it.
 */
const { channelId, secret, way } = JSON.parse(process.argv[2] ?? '') as StandInOptions;

const stored = fromGiven({ secret: [secret] });
const channel: LiveChannel = {
  tenantId: newId(),
  id: channelId,
  provider: 'standard-webhooks',
  settings: jsonMessageSettings.parse({}),
  secrets: (now) => liveSecrets(stored, now),
};
const receipt = { eventId: newId(), outcome: 'accepted', messageIds: [newId()], duplicates: 0 } as const;

/** Compiles queries and runs none: the API is served as well, as in the real thing, and not called. */
const db = new Kysely<Database>({
  dialect: {
    createDriver: () => new DummyDriver(),
    createAdapter: () => new PostgresAdapter(),
    createIntrospector: (kysely) => new PostgresIntrospector(kysely),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});

const services: Services = {
  db,
  providers,
  handlers,
  sealer: createSealer(newSealingKey()),
  inbox: { accept: () => Promise.resolve(receipt), drain: () => Promise.resolve(), queued: 0 },
  directory: { find: async (id) => (id === channelId ? channel : undefined), forget: () => {} },
  rejections: { add: () => {}, flush: () => Promise.resolve() },
  authenticator: createAuthenticator(db, () => new Date()),
  logger: silentLogger,
  metrics: noMetrics,
  metricsToken: undefined,
  tracing: noTracing,
  backlog: () => Promise.reject(new Error('nothing waits')),
  now: () => new Date(),
  endOfTurn: way === 'turns' ? createTurn() : () => Promise.resolve(),
  publicUrl: undefined,
  inboundDomain: 'inbound.localhost',
  assertAllowedUrl: () => {},
  wakeOutbox: () => {},
  wakeRouter: () => {},
  wakeJobs: () => {},
  orderOf: () => 'none',
  published: () => Promise.reject(new Error('nothing is published')),
  fetch: () => Promise.reject(new Error('nobody can be asked')),
  clientAddress: () => null,
  retentionStatus: undefined,
  loadAsset: () => Promise.resolve(undefined),
};

listenAsChild(createServer(services, { ingest: true, api: true }).fetch);
