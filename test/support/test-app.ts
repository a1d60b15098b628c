import { serve, type ServerType } from '@hono/node-server';
import { getConnInfo } from '@hono/node-server/conninfo';
import { createTenant, ensureFirstAdmin, firstTenantId } from '../../src/access/tenants.ts';
import { createToken } from '../../src/access/tokens.ts';
import { createApp, type App, type Overrides } from '../../src/app.ts';
import { parseConfig, type Config } from '../../src/config.ts';
import type { DatabaseHandle } from '../../src/db/client.ts';
import type { Scope } from '../../src/db/schema.ts';
import { loadSwaggerAsset } from '../../src/entry/swagger-assets.ts';
import { silentLogger, type Logger } from '../../src/lib/logger.ts';
import { createSafeFetch } from '../../src/lib/safe-fetch.ts';
import { newSealingKey } from '../../src/lib/sealing.ts';
import type { Tracing } from '../../src/lib/tracing.ts';
import { createPrometheus } from '../../src/metrics/prometheus.ts';

/** The whole application on a port of its own, and a client that speaks its API. */
export interface TestApp {
  readonly app: App;
  readonly url: string;
  readonly tenantId: string;
  readonly token: string;
  readonly client: TestClient;
  /** A client with a token of another scope, or of another tenant. */
  clientFor(scope: Scope, tenantId?: string): Promise<TestClient>;
  newTenant(name: string): Promise<string>;
  stop(): Promise<void>;
}

export interface Answer<Body = any> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

export interface TestClient {
  readonly token: string;
  request<Body = any>(method: string, path: string, body?: unknown): Promise<Answer<Body>>;
  get<Body = any>(path: string): Promise<Body>;
  post<Body = any>(path: string, body?: unknown): Promise<Body>;
  patch<Body = any>(path: string, body: unknown): Promise<Body>;
}

export interface TestAppOptions {
  readonly env?: Record<string, string>;
  readonly overrides?: Overrides;
  readonly logger?: Logger;
  readonly secretKey?: string;
  readonly tracing?: Tracing;
}

export async function startTestApp(database: DatabaseHandle, options: TestAppOptions = {}): Promise<TestApp> {
  const config: Config = parseConfig({
    ALLOW_PRIVATE_TARGETS: '127.0.0.0/8',
    LEASE_SECONDS: '2',
    ...options.env,
  });
  const safeFetch = createSafeFetch({ allowPrivate: config.allowPrivateTargets });
  const { db } = database;
  await ensureFirstAdmin(db, undefined);
  const { text: token } = await createToken(db, firstTenantId, { name: 'test', scope: 'admin' });
  const app = createApp(
    config,
    {
      database,
      safeFetch,
      secretKey: options.secretKey ?? newSealingKey(),
      logger: options.logger ?? silentLogger,
      loadAsset: loadSwaggerAsset,
      peerAddress: (c) => getConnInfo(c).remote.address,
      createMetrics: createPrometheus,
      tracing: options.tracing,
    },
    { pollMs: 50, ...options.overrides },
  );
  await app.start();
  const server = await new Promise<ServerType>((resolve) => {
    const listening: ServerType = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () => resolve(listening));
  });
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port');
  const url = `http://127.0.0.1:${address.port}`;

  return {
    app,
    url,
    token,
    tenantId: firstTenantId,
    client: createClient(url, token),
    async clientFor(scope, tenantId = firstTenantId) {
      return createClient(url, (await createToken(db, tenantId, { name: scope, scope })).text);
    },
    newTenant: (name) => createTenant(db, name),
    async stop() {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        if ('closeAllConnections' in server) server.closeAllConnections();
      });
      await app.stop(2_000);
      await safeFetch.close();
    },
  };
}

export function createClient(url: string, token: string): TestClient {
  async function request<Body>(method: string, path: string, body?: unknown): Promise<Answer<Body>> {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: (text === '' ? null : JSON.parse(text)) as Body,
    };
  }

  async function expectOk<Body>(method: string, path: string, body?: unknown): Promise<Body> {
    const answer = await request<Body>(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  return {
    token,
    request,
    get: (path) => expectOk('GET', path),
    post: (path, body) => expectOk('POST', path, body),
    patch: (path, body) => expectOk('PATCH', path, body),
  };
}

/** Waits until a look gives something, or fails with what was waited for. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  ms = 10_000,
): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`timed out waiting for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
