import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { LoadOrder, LoadResult } from './ingest-load.ts';
import { secret } from './ingest-requests.ts';

/** A server under test and what it stores in; the ceiling has neither URL nor folder. */
export interface ServerOptions {
  readonly way: 'ceiling' | 'turns' | 'grouped' | 'naive';
  readonly on: 'no database' | 'PostgreSQL' | 'PGlite';
  readonly databaseUrl?: string;
  readonly dataDir?: string;
}

/** A server under test, a child process that listens. */
export interface Server extends ServerOptions {
  readonly port: number;
  readonly channelId: string;
}

/** Takes down what has to be undone at the end. */
type OnEnd = (undo: () => Promise<void>) => void;

/** What `ingest-ceiling.ts` and `ingest-naive.ts` read from their one argument. */
export interface StandInOptions {
  readonly way: ServerOptions['way'];
  readonly channelId: string;
  readonly secret: string;
  readonly databaseUrl?: string;
  readonly dataDir?: string;
}

export interface Load {
  run(order: LoadOrder): Promise<LoadResult>;
}

/** Starts a server and waits until it listens. @throws Error where it ends before that. */
export async function startServer(options: ServerOptions, onEnd: OnEnd): Promise<Server> {
  return options.way === 'grouped' ? await startService(options, onEnd) : await startStandIn(options, onEnd);
}

export function startLoad(onEnd: OnEnd): Load {
  const child = fork(file('ingest-load.ts'), [secret]);
  onEnd(() => end(child));
  return {
    async run({ port, channelId, connections, seconds }) {
      child.send({ port, channelId, connections, seconds } satisfies LoadOrder);
      return await answerOf<LoadResult>(child);
    },
  };
}

/** The real service, as it is started for people, with a channel made through its API. */
async function startService(options: ServerOptions, onEnd: OnEnd): Promise<Server> {
  const token = `bench_${randomUUID()}`;
  const child = spawn(process.execPath, [file('../src/entry/node.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      ROLE: 'ingest',
      LOG_LEVEL: 'warn',
      POSTROOM_ADMIN_TOKEN: token,
      POSTROOM_SECRET_KEY: randomBytes(32).toString('base64'),
      ...(options.databaseUrl === undefined ? {} : { DATABASE_URL: options.databaseUrl }),
      ...(options.dataDir === undefined ? {} : { DATA_DIR: options.dataDir }),
    },
  });
  onEnd(() => end(child));
  const port = await greetedPort(child);
  const response = await fetch(`http://127.0.0.1:${port}/api/v1/channels`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ provider: 'standard-webhooks', name: 'bench', secrets: { secret }, settings: {} }),
  });
  if (response.status !== 201) throw new Error(`no channel could be made: ${response.status}`);
  const { id } = (await response.json()) as { id: string };
  return { ...options, port, channelId: id };
}

async function startStandIn(options: ServerOptions, onEnd: OnEnd): Promise<Server> {
  const channelId = randomUUID();
  const { way, databaseUrl, dataDir } = options;
  const given: StandInOptions = {
    way,
    channelId,
    secret,
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
    ...(dataDir === undefined ? {} : { dataDir }),
  };
  const child = fork(file(way === 'naive' ? 'ingest-naive.ts' : 'ingest-ceiling.ts'), [JSON.stringify(given)]);
  onEnd(() => end(child));
  const { port } = await answerOf<{ port: number }>(child);
  return { ...options, port, channelId };
}

function file(name: string): string {
  return join(import.meta.dirname, name);
}

/** The child's next message. @throws Error where it ends without one. */
async function answerOf<T>(child: ChildProcess): Promise<T> {
  const over = new AbortController();
  try {
    const { signal } = over;
    return await Promise.race([
      once(child, 'message', { signal }).then(([message]) => message as T),
      once(child, 'exit', { signal }).then(([code, killedBy]) => {
        throw new Error(`a child process ended (${String(code ?? killedBy)})`);
      }),
    ]);
  } finally {
    over.abort();
  }
}

async function greetedPort(child: ChildProcess): Promise<number> {
  let output = '';
  for await (const chunk of child.stdout ?? []) {
    output += String(chunk);
    const port = /listens on http:\/\/\S+:(\d+)/.exec(output)?.[1];
    if (port === undefined) continue;
    return Number(port);
  }
  throw new Error(`the service ended before it listened: ${output}`);
}

/** Ends a child by its own signal, and the hard way where that takes longer than 10 s. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(timer);
}
