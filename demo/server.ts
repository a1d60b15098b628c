import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { environmentKeys } from '../src/config.ts';
import { DemoError } from './options.ts';

/** A Postroom to play against. */
export interface DemoServer {
  readonly url: string;
  readonly token: string;
  readonly about: string;
  stop(): Promise<void>;
}

/** How long a first start may take: 3 s on a laptop, more on a busy machine. */
const startMs = 60_000;
const entry = fileURLToPath(new URL('../src/entry/node.ts', import.meta.url));

/** Starts a server on a free port and a temporary folder, which its stop removes. */
export async function startServer(): Promise<DemoServer> {
  const folder = mkdtempSync(join(tmpdir(), 'postroom-demo-'));
  const token = `prt_${randomBytes(24).toString('base64url')}`;
  // The user's own configuration is for the user's own server.
  const foreign = Object.entries(process.env).filter(([name]) => !environmentKeys.includes(name));
  const child = spawn(process.execPath, [entry], {
    env: {
      ...Object.fromEntries(foreign),
      PORT: '0',
      DATA_DIR: folder,
      POSTROOM_ADMIN_TOKEN: token,
      ALLOW_PRIVATE_TARGETS: '127.0.0.0/8',
      LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const listening = new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk.toString('utf8');
      const url = /listens on (http:\S+)/.exec(output)?.[1];
      if (url) resolve(url);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('error', reject);
    child.once('exit', () => reject(new DemoError(`the server did not start:\n${output}`)));
    setTimeout(() => reject(new DemoError(`the server did not start in time:\n${output}`)), startMs).unref();
  });
  // Also where the demo itself ends in a way that nobody foresaw.
  const removeAll = (): void => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', removeAll);
  const url = await listening;
  return {
    url,
    token,
    about: `a server of its own on ${url}, data in ${folder}`,
    async stop() {
      child.kill('SIGTERM');
      const patience = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(patience);
      removeAll();
    },
  };
}
