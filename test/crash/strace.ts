import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Whether strace is installed. Whether it may attach to a process shows only then. */
export function hasStrace(): boolean {
  return spawnSync('strace', ['-V'], { stdio: 'ignore' }).status === 0;
}

/** The system calls of a process, from now on. */
export interface Trace {
  /** Ends the trace; returns its lines, in the kernel's order. */
  stop(): Promise<string[]>;
}

/**
 * Traces reads, writes and fsyncs of a process and its threads, with the names of their files.
 *
 * @returns undefined where the system does not let one process look at another.
 */
export async function traceCalls(pid: number): Promise<Trace | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'postroom-strace-'));
  const path = join(folder, 'calls');
  const calls = 'trace=read,write,writev,pwrite64,fsync,fdatasync';
  const child = spawn('strace', ['-f', '-y', '-s', '64', '-e', calls, '-o', path, '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const attached = await new Promise<boolean>((resolve) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (/attached/.test(text)) resolve(true);
    });
    void ended.then(() => resolve(false));
  });
  if (!attached) {
    rmSync(folder, { recursive: true, force: true });
    return undefined;
  }
  return {
    async stop() {
      child.kill('SIGINT');
      await ended;
      const lines = readFileSync(path, 'utf8').split('\n');
      rmSync(folder, { recursive: true, force: true });
      return lines;
    },
  };
}
