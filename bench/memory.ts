import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { sql } from 'kysely';
import { createCleanup } from './cleanup.ts';
import { describeEnvironment, requirePostgres } from './databases.ts';
import { fillPending, furnish, settle } from './fill.ts';
import { startService } from './service.ts';
import { formatTable, median, tell } from './table.ts';
import { makeWorld, type World } from './world.ts';

export interface MemoryOptions {
  readonly backlog: number;
  readonly seconds: number;
}

interface Phase {
  readonly name: string;
  readonly megabytes: readonly number[];
  readonly delivered: number;
}

const sampleMs = 250;
const restSeconds = 10;
/** A backlog of this size is worked off first and not counted: code is compiled, the heap finds its size. */
const warmUp = 50_000;
/** What counts as flat: the median towards the end of the backlog, to the one before it. */
const most = 1.3;

/**
 * Resident memory of a worker process, the real service: with nothing to do, under a backlog, and
 * after the backlog is gone.
 */
export async function benchMemory({ backlog, seconds }: MemoryOptions): Promise<void> {
  const cleanup = createCleanup();
  try {
    const postgres = await requirePostgres();
    process.stdout.write(`${describeEnvironment(postgres)}\n`);
    const databaseUrl = await postgres.createDatabase('memory', cleanup.add);
    const world = await makeWorld(databaseUrl);
    cleanup.add(world.close);
    await furnish(world);
    await fillPending(world, warmUp);
    await settle(world.db);

    const service = await startService({ role: 'worker', databaseUrl }, cleanup.add);
    await untilDelivered(world);
    const before = await watch('before', world, service.pid, restSeconds);
    await fillPending(world, backlog);
    await settle(world.db);
    const during = await watch('during, first half', world, service.pid, seconds / 2);
    const later = await watch('during, second half', world, service.pid, seconds / 2);
    if (later.delivered === 0)
      throw new Error('the worker delivered nothing: the backlog was not its own, or too small');
    await dropBacklog(world);
    await untilDelivered(world);
    const after = await watch('after', world, service.pid, restSeconds);
    process.stdout.write(`\n${summarize([before, during, later, after], backlog)}\n`);
  } finally {
    await cleanup.run();
  }
}

/** Samples a process's resident memory for so long. */
async function watch(name: string, world: World, pid: number, seconds: number): Promise<Phase> {
  tell(name);
  const finished = await countDeliveries(world, 'succeeded');
  const megabytes: number[] = [];
  const endsAt = performance.now() + seconds * 1000;
  while (performance.now() < endsAt) {
    megabytes.push(await residentMegabytes(pid));
    await sleep(sampleMs);
  }
  return { name, megabytes, delivered: (await countDeliveries(world, 'succeeded')) - finished };
}

async function residentMegabytes(pid: number): Promise<number> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(pid)]);
  return Number(stdout) / 1024;
}

/** What is left of the backlog is cancelled, a part at a time, because the worker goes on meanwhile. */
async function dropBacklog(world: World): Promise<void> {
  for (;;) {
    const { rows } = await sql`
      update deliveries d set state = 'cancelled', finished_at = now(), updated_at = now()
      from (select tenant_id, id from deliveries where state = 'pending' limit 50000 for update skip locked) p
      where d.tenant_id = p.tenant_id and d.id = p.id returning 1`.execute(world.db);
    if (rows.length === 0) return;
  }
}

async function untilDelivered(world: World): Promise<void> {
  const endsAt = Date.now() + 180_000;
  while ((await countDeliveries(world, 'pending')) + (await countDeliveries(world, 'running')) > 0) {
    if (Date.now() > endsAt) throw new Error('the worker did not get through the deliveries in three minutes');
    await sleep(200);
  }
}

async function countDeliveries({ db }: World, state: 'pending' | 'running' | 'succeeded'): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from deliveries where state = ${sql.lit(state)}`.execute(db);
  return rows[0]?.count ?? 0;
}

function summarize(phases: readonly Phase[], backlog: number): string {
  const typical = ({ megabytes }: Phase): number => median(megabytes);
  const [before, , later] = phases as [Phase, Phase, Phase];
  const rows = phases.map((phase) => [
    phase.name,
    typical(phase).toFixed(0),
    Math.max(...phase.megabytes).toFixed(0),
    (typical(phase) / typical(before)).toFixed(2),
    String(phase.delivered),
  ]);
  const ratio = typical(later) / typical(before);
  return [
    ...formatTable([['', 'MB resident', 'most', '/ before', 'delivered'], ...rows]),
    '',
    `before: the worker has worked off ${warmUp} deliveries and rests; during: it works on a backlog of ${backlog}.`,
    `second half / before, at most ${most}: ${ratio <= most ? 'reached' : 'missed'} with ${ratio.toFixed(2)}`,
  ].join('\n');
}
