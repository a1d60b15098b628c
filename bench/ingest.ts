import { createCleanup, type OnEnd } from './cleanup.ts';
import { createTemporaryFolder, describeEnvironment, findPostgres, type Postgres } from './databases.ts';
import { summarize, type Measurement } from './ingest-report.ts';
import { startLoad, startServer, type Load, type Server, type ServerOptions } from './ingest-processes.ts';

export const connectionCounts = [16, 64, 256] as const;

const warmUpSeconds = 2;

/**
 * Ingest: the server's own ceiling, grouped durable ingest (the real service), and the naive way, on
 * PostgreSQL and on the embedded database. The variants take turns in short rounds, because a
 * machine's speed wanders; what counts are ratios within one round.
 */
export async function benchIngest({ rounds, seconds }: { rounds: number; seconds: number }): Promise<void> {
  const cleanup = createCleanup();
  try {
    const postgres = await findPostgres();
    process.stdout.write(`${describeEnvironment(postgres)}; PGlite with fsync\n`);
    const servers: Server[] = [];
    for (const options of await prepareVariants(postgres, cleanup.add)) {
      servers.push(await startServer(options, cleanup.add));
    }
    // Last, so that it is the first to end: it must not outlive the servers that it calls.
    const load = startLoad(cleanup.add);
    // Uncounted: code is compiled, connections are opened, tables are no longer empty.
    for (const server of servers) await load.run({ ...server, connections: 64, seconds: warmUpSeconds });
    const measurements = await measure(servers, load, rounds, seconds);
    process.stdout.write(`\n${summarize(measurements)}\n`);
  } finally {
    await cleanup.run();
  }
}

/** Makes the databases, each variant its own, so that none pays for another's rows. */
async function prepareVariants(postgres: Postgres | undefined, onEnd: OnEnd): Promise<ServerOptions[]> {
  const variants: ServerOptions[] = [
    { way: 'ceiling', on: 'no database' },
    { way: 'turns', on: 'no database' },
  ];
  for (const way of ['grouped', 'naive'] as const) {
    if (!postgres) continue;
    variants.push({ way, on: 'PostgreSQL', databaseUrl: await postgres.createDatabase(way, onEnd) });
  }
  for (const way of ['grouped', 'naive'] as const) {
    const folder = createTemporaryFolder();
    onEnd(folder.remove);
    variants.push({ way, on: 'PGlite', dataDir: folder.path });
  }
  return variants;
}

async function measure(
  servers: readonly Server[],
  load: Load,
  rounds: number,
  seconds: number,
): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const connections of connectionCounts) {
      // Every other round runs backwards, so that none always follows the same neighbour.
      for (const server of round % 2 === 0 ? servers : servers.toReversed()) {
        const result = await load.run({ ...server, connections, seconds });
        measurements.push({ ...result, round, connections, way: server.way, on: server.on });
        if (process.stderr.isTTY) {
          const rate = Math.round(result.requestsPerSecond);
          process.stderr.write(`round ${round + 1}: ${server.way} on ${server.on}, ${connections}: ${rate}/s\n`);
        }
      }
    }
  }
  return measurements;
}
