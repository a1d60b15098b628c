import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const startLimitMs = 30_000;

/** How a server process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** How SIGTERM ended it, and after how many milliseconds. */
export interface Stop extends Exit {
  readonly ms: number;
  /** In words, with the end of what it wrote; undefined where it was as it should be. */
  readonly fault: string | undefined;
}

/** The real server as a process of its own. */
export interface ServerProcess {
  readonly pid: number;
  /** Resolves once it listens, to where and after how many milliseconds; rejects where it ends before. */
  readonly listening: Promise<{ url: string; ms: number }>;
  readonly exited: Promise<Exit>;
  /** SIGKILL, at once. */
  kill(): void;
  /** SIGTERM; resolves when it has ended. */
  terminate(): Promise<Stop>;
  /** The end of what it has written. */
  output(): string;
}

const alive = new Set<ServerProcess>();
process.on('exit', () => {
  for (const server of alive) server.kill();
});

/** Kills whatever servers still run, and waits for their end. For clean-ups after a failure. */
export async function killServers(): Promise<void> {
  const servers = [...alive];
  for (const server of servers) server.kill();
  await Promise.all(servers.map((server) => server.exited));
}

/** Starts `src/entry/node.ts` on a free port of the loopback. Nothing of Postroom's own environment is passed on. */
export function startServer(env: Readonly<Record<string, string>>, cwd = root): ServerProcess {
  const startedAt = performance.now();
  const child = spawn(process.execPath, ['src/entry/node.ts'], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      DATABASE_URL: '',
      PUBLIC_URL: '',
      ROLE: '',
      HOST: '127.0.0.1',
      PORT: '0',
      LOG_LEVEL: 'warn',
      ALLOW_PRIVATE_TARGETS: '127.0.0.0/8',
      ...env,
    },
  });
  let output = '';
  let heard: ((text: string) => void) | undefined;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      output = (output + text).slice(-20_000);
      heard?.(output);
    });
  }
  const exited = new Promise<Exit>((resolve) => {
    child.once('error', () => resolve({ code: null, signal: null }));
    // 'close' comes after the last output, 'exit' may come before it.
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  const listening = new Promise<{ url: string; ms: number }>((resolve, reject) => {
    const timer = setTimeout(() => fail('it did not listen in time'), startLimitMs);
    function fail(why: string): void {
      clearTimeout(timer);
      reject(new Error(`the server could not start: ${why}\n${output}`));
    }
    heard = (text) => {
      const url = /listens on (http:\/\/\S+)/.exec(text)?.[1];
      if (url === undefined) return;
      clearTimeout(timer);
      heard = undefined;
      resolve({ url, ms: performance.now() - startedAt });
    };
    void exited.then(({ code, signal }) => fail(`it ended with ${signal ?? `exit code ${code}`}`));
  });
  // Who kills it during its start does not wait for it to listen.
  listening.catch(() => {});

  const server: ServerProcess = {
    pid: child.pid ?? 0,
    listening,
    exited,
    kill: () => void child.kill('SIGKILL'),
    async terminate() {
      const from = performance.now();
      child.kill('SIGTERM');
      const exit = await exited;
      const ms = Math.round(performance.now() - from);
      if (exit.code === 0) return { ...exit, ms, fault: undefined };
      const how = exit.signal ?? `exit code ${exit.code}`;
      return { ...exit, ms, fault: `SIGTERM ended it with ${how} after ${ms} ms\n${server.output()}` };
    },
    output: () => output.slice(-2_000),
  };
  alive.add(server);
  void exited.then(() => alive.delete(server));
  return server;
}
