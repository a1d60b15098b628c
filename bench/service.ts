import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { benchFile, endChild } from './children.ts';
import type { OnEnd } from './cleanup.ts';
import { secret } from './ingest-requests.ts';

export interface ServiceOptions {
  readonly role: 'ingest' | 'worker';
  readonly databaseUrl?: string | undefined;
  readonly dataDir?: string | undefined;
  /** Further environment variables. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The real service in a process of its own, as it is started for people. */
export interface Service {
  readonly pid: number;
  readonly port: number;
  /** Asks its API, as the first admin. @throws Error where the answer is no 2xx. */
  post<Body>(path: string, body: unknown): Promise<Body>;
}

/** Shared by the processes of one run, which may work on one database. */
const token = `bench_${randomUUID()}`;
const secretKey = randomBytes(32).toString('base64');

/** Starts the service and waits until it listens. @throws Error where it ends before that. */
export async function startService(options: ServiceOptions, onEnd: OnEnd): Promise<Service> {
  const child = spawn(process.execPath, [benchFile('../src/entry/node.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      ROLE: options.role,
      LOG_LEVEL: 'warn',
      POSTROOM_ADMIN_TOKEN: token,
      POSTROOM_SECRET_KEY: secretKey,
      ...(options.databaseUrl === undefined ? {} : { DATABASE_URL: options.databaseUrl }),
      ...(options.dataDir === undefined ? {} : { DATA_DIR: options.dataDir }),
      ...options.env,
    },
  });
  onEnd(() => endChild(child));
  const port = await greetedPort(child);
  return {
    pid: child.pid as number,
    port,
    async post<Body>(path: string, body: unknown) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`);
      return (await response.json()) as Body;
    },
  };
}

/** Makes a channel that takes what `createRequestPool` builds; returns its id. */
export async function makeChannel(service: Service): Promise<string> {
  const given = { provider: 'standard-webhooks', name: 'bench', secrets: { secret }, settings: {} };
  const { id } = await service.post<{ id: string }>('/api/v1/channels', given);
  return id;
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
