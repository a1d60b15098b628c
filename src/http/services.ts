import type { Context } from 'hono';
import type { Kysely } from 'kysely';
import type { Authenticator, Caller } from '../access/tokens.ts';
import type { Database } from '../db/schema.ts';
import type { Handler } from '../handler.ts';
import type { Inbox } from '../inbox/accept.ts';
import type { ChannelDirectory } from '../inbox/channel-directory.ts';
import type { RejectionLog } from '../inbox/rejections.ts';
import type { Logger } from '../lib/logger.ts';
import type { Sealer } from '../lib/sealing.ts';
import type { Tracing } from '../lib/tracing.ts';
import type { Backlog } from '../metrics/backlog.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Provider, ProviderFetch, Published } from '../provider.ts';
import type { RetentionStatus } from '../retention/loop.ts';
import type { OrderOf } from '../routing/store-decisions.ts';

/** A file that is served as it is, such as a part of Swagger UI. */
export interface Asset {
  readonly contentType: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** What the HTTP rooms are given by `app.ts`. */
export interface Services {
  readonly db: Kysely<Database>;
  readonly sealer: Sealer;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly handlers: ReadonlyMap<string, Handler>;
  readonly inbox: Inbox;
  readonly directory: ChannelDirectory;
  readonly rejections: RejectionLog;
  readonly authenticator: Authenticator;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** What `/metrics` wants to be shown; undefined: nothing. */
  readonly metricsToken: string | undefined;
  readonly tracing: Tracing;
  /** What waits, some seconds old at most. */
  readonly backlog: () => Promise<Backlog>;
  readonly now: () => Date;
  /** Resolves when this turn of the event loop ends; see `lib/turn.ts`. */
  readonly endOfTurn: () => Promise<void>;
  readonly publicUrl: string | undefined;
  readonly inboundDomain: string;
  /** Throws where an outbound URL can never be called, such as one with a private address. */
  readonly assertAllowedUrl: (url: string) => void;
  /** There are deliveries that the API made or freed. */
  readonly wakeOutbox: () => void;
  /** There are messages that the API freed. */
  readonly wakeRouter: () => void;
  /** There is a job that the API made. */
  readonly wakeJobs: () => void;
  /** How a handler kind wants its deliveries ordered, where the route does not say. */
  readonly orderOf: OrderOf;
  /** Documents that providers publish, remembered. */
  readonly published: Published;
  /** The way out to providers. */
  readonly fetch: ProviderFetch;
  /** The IP address that a request came from, past the trusted proxies. */
  readonly clientAddress: (c: Context) => string | null;
  /** How retention stands; undefined where this process has none. */
  readonly retentionStatus: (() => RetentionStatus) | undefined;
  readonly loadAsset: (name: string) => Promise<Asset | undefined>;
}

/** What the API's handlers find in their context. */
export interface ApiEnv {
  Variables: { caller: Caller };
}
