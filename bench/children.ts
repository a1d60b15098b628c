import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** The path of a file of this folder. */
export function benchFile(name: string): string {
  return join(import.meta.dirname, name);
}

/** The child's next message. @throws Error where it ends without one. */
export async function answerOf<T>(child: ChildProcess): Promise<T> {
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

/** Ends a child by its own signal, and the hard way where that takes longer than 10 s. */
export async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(timer);
}
