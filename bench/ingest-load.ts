import type { Socket } from 'node:net';
import { isWhole, openSocket } from './http-socket.ts';
import { createRequestPool, type RequestPool } from './ingest-requests.ts';
import { quantile } from './table.ts';

/**
 * The load generator, a process of its own: every connection posts a request, waits for the answer,
 * and posts the next. Not autocannon: with a fresh request each time that one needs 26 µs of
 * processor per request where this needs 12, and on a small machine it takes them from the server.
 */
export interface LoadOrder {
  readonly port: number;
  readonly channelId: string;
  readonly connections: number;
  readonly seconds: number;
}

export interface LoadResult {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers other than 2xx, and connections that broke. */
  readonly failures: number;
  /** How much of one core the generator itself used. */
  readonly ownCore: number;
}

/** More than a server here answers; should they run out, the measurement ends early. */
const requestsPerSecondAtMost = 30_000;

async function runLoad(order: LoadOrder, pool: RequestPool): Promise<LoadResult> {
  pool.fill(Math.ceil(requestsPerSecondAtMost * order.seconds));
  const sockets = await Promise.all(Array.from({ length: order.connections }, () => openSocket(order.port)));
  const latencies: number[] = [];
  let failures = 0;
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  const endsAt = startedAt + order.seconds * 1000;
  let lastAt = startedAt;

  await Promise.all(
    sockets.map(async (socket) => {
      await converse(socket, () => (performance.now() < endsAt ? pool.next(order.channelId) : undefined), {
        onAnswer(ok, milliseconds) {
          lastAt = performance.now();
          if (ok) latencies.push(milliseconds);
          else failures += 1;
        },
      });
      socket.destroy();
    }),
  );

  const used = process.cpuUsage(cpu);
  const elapsedMs = lastAt - startedAt;
  return {
    requestsPerSecond: (latencies.length / elapsedMs) * 1000,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    failures,
    ownCore: (used.user + used.system) / 1000 / elapsedMs,
  };
}

/** One request after the other until there is none left. An end of the connection is a failure. */
function converse(
  socket: Socket,
  next: () => Buffer | undefined,
  { onAnswer }: { onAnswer: (ok: boolean, milliseconds: number) => void },
): Promise<void> {
  return new Promise((resolve) => {
    let sentAt = 0;
    let received = '';
    const send = (): void => {
      const request = next();
      if (!request) {
        socket.removeAllListeners('close');
        resolve();
        return;
      }
      sentAt = performance.now();
      socket.write(request);
    };
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      if (!isWhole(received)) return;
      onAnswer(received.startsWith('HTTP/1.1 2'), performance.now() - sentAt);
      received = '';
      send();
    });
    socket.on('error', () => {});
    socket.once('close', () => {
      onAnswer(false, 0);
      resolve();
    });
    send();
  });
}

const pool = createRequestPool(process.argv[2] ?? '');
process.on('message', (order: LoadOrder) => {
  void runLoad(order, pool).then((result) => process.send?.(result));
});
process.on('disconnect', () => process.exit());
