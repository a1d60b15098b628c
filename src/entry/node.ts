import { serve, type ServerType } from '@hono/node-server';
import { getConnInfo } from '@hono/node-server/conninfo';
import { pino } from 'pino';
import { ensureFirstAdmin } from '../access/tenants.ts';
import { createApp, type App } from '../app.ts';
import { ConfigError, parseConfig, type Config } from '../config.ts';
import type { DatabaseHandle } from '../db/client.ts';
import { keepEmbeddedTidy } from '../db/embedded-upkeep.ts';
import { messageOf } from '../lib/errors.ts';
import { createSafeFetch } from '../lib/safe-fetch.ts';
import { createPrometheus } from '../metrics/prometheus.ts';
import { makeAllYoung } from './heap.ts';
import { openDatabase } from './open-database.ts';
import { loadSwaggerAsset } from './swagger-assets.ts';
import { loadSecretKey } from './secret-key.ts';

/** How long a stop waits for what runs; supervisors commonly kill after 30 s. */
const graceMs = 20_000;

async function main(): Promise<void> {
  makeAllYoung();
  const config = parseConfig(process.env);
  const logger = pino({ level: config.logLevel, base: null });
  const database = await openDatabase(config, logger);
  // A worker serves no API: the token is for whoever starts the process that does.
  if (config.role !== 'worker') await ensureFirstAdmin(database.db, config.adminToken, showToken);
  const safeFetch = createSafeFetch({ allowPrivate: config.allowPrivateTargets });
  const traces = isTraced(config) ? (await import('./tracing.ts')).startTracing(config, logger) : undefined;
  const app = createApp(config, {
    database,
    logger,
    safeFetch,
    secretKey: config.secretKey ?? loadSecretKey(config.dataDir),
    loadAsset: loadSwaggerAsset,
    peerAddress: (c) => getConnInfo(c).remote.address,
    createMetrics: createPrometheus,
    tracing: traces?.tracing,
  });
  const stopUpkeep = database.kind === 'embedded' ? keepEmbeddedTidy(database.db, logger) : () => {};
  await app.start();
  const server = await listen(app, config);

  let stopping = false;
  const stop = async (signal: string): Promise<void> => {
    if (stopping) return;
    stopping = true;
    logger.info({ signal }, 'stopping: nothing new is taken, what runs may finish');
    // Requests under way are answered first: their commits are what the inbox drains.
    await closeServer(server);
    await app.stop(graceMs);
    await traces?.stop();
    stopUpkeep();
    await safeFetch.close();
    await database.close();
    logger.info({}, 'stopped');
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(signal));
  // Last: who waits for this line may send SIGTERM right after it.
  greet(config, database, server);
}

/** The SDK is loaded only where traces go somewhere. */
function isTraced(config: Config): boolean {
  return config.otlpEndpoint !== undefined || config.otlpTracesEndpoint !== undefined;
}

function listen(app: App, config: Config): Promise<ServerType> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, port: config.port, hostname: config.host }, () => resolve(server));
    server.once('error', reject);
  });
}

function closeServer(server: ServerType): Promise<void> {
  return new Promise((resolve) => {
    // A busy connection would never be idle: its next answer is its last.
    server.prependListener('request', (_request: unknown, response: { setHeader(name: string, value: string): void }) =>
      response.setHeader('connection', 'close'),
    );
    server.close(() => resolve());
    if ('closeIdleConnections' in server) server.closeIdleConnections();
    // A peer that never ends its request must not hold up the stop.
    setTimeout(() => 'closeAllConnections' in server && server.closeAllConnections(), 5_000).unref();
  });
}

function showToken(token: string): void {
  process.stdout.write(`\nAdmin token (shown this once, stored hashed):\n  ${token}\n`);
}

/** Says where it listens and what to do next. For people: machines read the log lines. */
function greet(config: Config, database: DatabaseHandle, server: ServerType): void {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : config.port;
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  const url = config.publicUrl ?? `http://${host}:${port}`;
  const lines = [
    '',
    `Postroom listens on http://${host}:${port} (role ${config.role}, ${
      database.kind === 'embedded' ? `embedded database in ${config.dataDir}` : 'PostgreSQL'
    })`,
  ];
  if (config.role !== 'worker') {
    lines.push(
      '',
      'Next:',
      '  npm run demo                 plays a whole story on a server of its own',
      `  ${url}/docs/  the API, to try out`,
      '  README.md                    a first message in five minutes, with curl',
    );
  }
  process.stdout.write(`${lines.join('\n')}\n\n`);
}

main().catch((error: unknown) => {
  const prefix = error instanceof ConfigError ? 'The configuration is wrong' : 'Postroom could not start';
  process.stderr.write(`${prefix}:\n${messageOf(error)}\n`);
  process.exit(1);
});
