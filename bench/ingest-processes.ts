import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { answerOf, benchFile, endChild } from './children.ts';
import type { OnEnd } from './cleanup.ts';
import type { LoadOrder, LoadResult } from './ingest-load.ts';
import { secret } from './ingest-requests.ts';
import { makeChannel, startService } from './service.ts';

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
  return options.way === 'grouped' ? await startReal(options, onEnd) : await startStandIn(options, onEnd);
}

export function startLoad(onEnd: OnEnd): Load {
  const child = fork(benchFile('ingest-load.ts'), [secret]);
  onEnd(() => endChild(child));
  return {
    async run({ port, channelId, connections, seconds }) {
      child.send({ port, channelId, connections, seconds } satisfies LoadOrder);
      return await answerOf<LoadResult>(child);
    },
  };
}

/** The real service, with a channel made through its API. */
async function startReal(options: ServerOptions, onEnd: OnEnd): Promise<Server> {
  const { databaseUrl, dataDir } = options;
  const service = await startService({ role: 'ingest', databaseUrl, dataDir }, onEnd);
  const channelId = await makeChannel(service);
  return { ...options, port: service.port, channelId };
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
  const child = fork(benchFile(way === 'naive' ? 'ingest-naive.ts' : 'ingest-ceiling.ts'), [JSON.stringify(given)]);
  onEnd(() => endChild(child));
  const { port } = await answerOf<{ port: number }>(child);
  return { ...options, port, channelId };
}
