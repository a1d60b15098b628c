import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { isWhole, openSocket } from './http-socket.ts';
import { createRequestPool } from './ingest-requests.ts';
import { quantile } from './table.ts';

/**
 * Provider and target in one process, so that one clock knows when a request went in and when the
 * request for it came out.
 */
export interface PathOrder {
  readonly port: number;
  readonly channelId: string;
  readonly seconds: number;
  /** So many messages are on their way at any time: the path's peak. */
  readonly inFlight?: number;
  /** So many come in a second, at random moments, however fast they go out. */
  readonly perSecond?: number;
}

export interface PathResult {
  readonly sent: number;
  readonly arrivedPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Requests that were not answered 2xx, and messages that never reached the target. */
  readonly failures: number;
}

const connections = 64;
const requestsPerSecondAtMost = 15_000;
const lastArrivalMs = 20_000;

/** When each message that has not arrived was due, by its id. */
const onTheWay = new Map<string, number>();
let onArrival: (sinceMs: number) => void = () => {};

const pool = createRequestPool(process.argv[2] ?? '');

/** The target: every request that comes out holds the id of the one that went in. */
const target: Server = createServer((request, response) => {
  let text = '';
  request.setEncoding('latin1');
  request.on('data', (chunk: string) => (text += chunk));
  request.on('end', () => {
    const id = /msg_[0-9a-f]{8}_\d+/.exec(text)?.[0] ?? '';
    const dueAt = onTheWay.get(id);
    response.setHeader('content-type', 'application/json').end('{}');
    if (dueAt === undefined) return;
    onTheWay.delete(id);
    onArrival(performance.now() - dueAt);
  });
});
target.keepAliveTimeout = 60_000;

async function run(order: PathOrder): Promise<PathResult> {
  const atMost = Math.ceil(order.perSecond === undefined ? requestsPerSecondAtMost : order.perSecond * 1.3) + 100;
  pool.fill(Math.ceil(atMost * order.seconds));
  const provider = await createProvider(order);
  const latencies: number[] = [];
  const startedAt = performance.now();
  const endsAt = startedAt + order.seconds * 1000;
  let lastAt = startedAt;
  onArrival = (milliseconds) => {
    latencies.push(milliseconds);
    lastAt = performance.now();
    if (order.inFlight !== undefined && lastAt < endsAt) provider.post(lastAt);
  };

  if (order.inFlight !== undefined) {
    for (let started = 0; started < order.inFlight; started += 1) provider.post(performance.now());
    await new Promise((resolve) => setTimeout(resolve, endsAt - performance.now()));
  } else {
    await postAtRandom(provider, order.perSecond ?? 1, endsAt);
  }
  const waitUntil = performance.now() + lastArrivalMs;
  while (onTheWay.size > 0 && performance.now() < waitUntil) await new Promise((resolve) => setTimeout(resolve, 20));
  const lost = onTheWay.size;
  onTheWay.clear();
  provider.close();
  return {
    sent: latencies.length + lost,
    arrivedPerSecond: (latencies.length / (lastAt - startedAt)) * 1000,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    failures: lost,
  };
}

/** Posts at the moments of a Poisson process: the gaps between webhooks from many senders. */
async function postAtRandom(provider: Provider, perSecond: number, endsAt: number): Promise<void> {
  let dueAt = performance.now();
  while (dueAt < endsAt) {
    const now = performance.now();
    for (; dueAt <= now && dueAt < endsAt; dueAt += (-Math.log(1 - Math.random()) / perSecond) * 1000) {
      provider.post(dueAt);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

interface Provider {
  /** Posts one message, as soon as a connection is free. Its time counts from the moment given. */
  post(dueAt: number): void;
  close(): void;
}

async function createProvider({ port, channelId }: PathOrder): Promise<Provider> {
  const sockets = await Promise.all(Array.from({ length: connections }, () => openSocket(port)));
  const free: Socket[] = [...sockets];
  const waiting: Buffer[] = [];
  let isClosed = false;
  for (const socket of sockets) {
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      if (!isWhole(answer)) return;
      answer = '';
      const next = waiting.shift();
      if (next) socket.write(next);
      else free.push(socket);
    });
    socket.on('close', () => isClosed || process.exit(1));
  }
  return {
    post(dueAt) {
      const request = pool.next(channelId);
      if (!request) return;
      onTheWay.set(/webhook-id: (\S+)/.exec(request.toString('latin1', 0, 400))?.[1] ?? '', dueAt);
      // In turn: one that is never used the service closes after a few seconds.
      const socket = free.shift();
      if (socket) socket.write(request);
      else waiting.push(request);
    },
    close() {
      isClosed = true;
      for (const socket of sockets) socket.destroy();
    },
  };
}

process.on('message', (order: PathOrder) => void run(order).then((result) => process.send?.(result)));
process.on('disconnect', () => process.exit());
process.on('SIGTERM', () => process.exit());
target.listen(0, '127.0.0.1', () => {
  const address = target.address();
  process.send?.({ port: typeof address === 'object' ? address?.port : undefined });
});
