import { fork } from 'node:child_process';
import { answerOf, benchFile, endChild } from './children.ts';
import { createCleanup, type OnEnd } from './cleanup.ts';
import { describeEnvironment, requirePostgres } from './databases.ts';
import { secret } from './ingest-requests.ts';
import type { PathOrder, PathResult } from './latency-load.ts';
import { makeChannel, startService, type Service } from './service.ts';
import { formatTable, median, tell } from './table.ts';

export interface LatencyOptions {
  readonly rounds: number;
  readonly seconds: number;
  /** Deliveries that the worker runs at once. */
  readonly concurrency: number;
}

const shares = [0.1, 0.5, 0.9] as const;
/** On their way at once while the peak is measured: more than all batches under way can hold. */
const inFlight = 1_024;

interface Measurement extends PathResult {
  /** Of the peak of its round. */
  readonly share: number;
  readonly peak: number;
}

/**
 * The whole path, from a provider's request to the request that reaches the target: one process takes
 * in, one routes and delivers. Its peak first, then the latency at shares of that peak.
 */
export async function benchLatency({ rounds, seconds, concurrency }: LatencyOptions): Promise<void> {
  const cleanup = createCleanup();
  try {
    const postgres = await requirePostgres();
    process.stdout.write(`${describeEnvironment(postgres)}\n`);
    const databaseUrl = await postgres.createDatabase('latency', cleanup.add);
    const env = { ALLOW_PRIVATE_TARGETS: '127.0.0.0/8', WORKER_CONCURRENCY: String(concurrency) };
    const service = await startService({ role: 'ingest', databaseUrl, env }, cleanup.add);
    await startService({ role: 'worker', databaseUrl, env }, cleanup.add);
    const path = await startPath(cleanup.add);
    const channelId = await preparePath(service, path.port, concurrency);
    const run = (order: Pick<PathOrder, 'seconds' | 'inFlight' | 'perSecond'>): Promise<PathResult> =>
      path.run({ port: service.port, channelId, ...order });

    // Uncounted: code is compiled, connections are opened.
    await run({ seconds: 3, inFlight: 64 });
    await run({ seconds: 3, inFlight });
    const measurements: Measurement[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const atPeak = await run({ seconds, inFlight });
      const peak = atPeak.arrivedPerSecond;
      measurements.push({ ...atPeak, peak, share: 1 });
      tell(`round ${round + 1}: peak ${Math.round(peak)}/s`);
      for (const share of round % 2 === 0 ? shares : shares.toReversed()) {
        const result = await run({ seconds, perSecond: peak * share });
        measurements.push({ ...result, peak, share });
        tell(`round ${round + 1}: at ${share} p50 ${result.p50Ms.toFixed(1)} ms, p99 ${result.p99Ms.toFixed(1)} ms`);
      }
    }
    process.stdout.write(`\n${summarize(measurements, concurrency)}\n`);
  } finally {
    await cleanup.run();
  }
}

interface Path {
  /** Where the target listens. */
  readonly port: number;
  run(order: PathOrder): Promise<PathResult>;
}

async function startPath(onEnd: OnEnd): Promise<Path> {
  const child = fork(benchFile('latency-load.ts'), [secret]);
  onEnd(() => endChild(child));
  const { port } = await answerOf<{ port: number }>(child);
  return {
    port,
    async run(order) {
      const answered = answerOf<PathResult>(child);
      child.send(order);
      return await answered;
    },
  };
}

/** A channel whose messages go to the target, which may be called as often at once as the worker can. */
async function preparePath(service: Service, port: number, concurrency: number): Promise<string> {
  const channelId = await makeChannel(service);
  const { id: targetId } = await service.post<{ id: string }>('/api/v1/targets', {
    kind: 'webhook',
    name: 'bench',
    url: `http://127.0.0.1:${port}/hook`,
    policy: { concurrency },
  });
  await service.post('/api/v1/communications/routes', {
    channelId,
    handlerKind: 'process',
    targetKind: 'webhook',
    targetId,
  });
  return channelId;
}

function summarize(measurements: readonly Measurement[], concurrency: number): string {
  const rows = [...shares, 1].map((share) => {
    const group = measurements.filter((one) => one.share === share);
    return [
      share === 1 ? 'peak' : `${share * 100} % of the peak`,
      median(group.map((one) => one.arrivedPerSecond)).toFixed(0),
      median(group.map((one) => one.p50Ms)).toFixed(1),
      median(group.map((one) => one.p99Ms)).toFixed(1),
      median(group.map((one) => one.arrivedPerSecond / one.peak)).toFixed(2),
      String(group.reduce((sum, one) => sum + one.failures, 0)),
    ];
  });
  return [
    ...formatTable([['load', 'messages/s', 'p50 ms', 'p99 ms', '/ peak', 'lost'], ...rows]),
    '',
    "From the moment a provider's request is due until the target has the request for it; load and target share the",
    `cores. Peak: ${inFlight} messages are on their way at any time. The worker runs ${concurrency} deliveries at once.`,
  ].join('\n');
}
