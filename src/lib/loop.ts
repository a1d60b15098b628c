import { createWakeup } from './wakeup.ts';

/** Work that is done over and over while the process lives. */
export interface Loop {
  start(): void;
  /** There may be something to do. */
  wake(): void;
  /** Resolves when the turn under way has ended. */
  stop(): Promise<void>;
}

/** How long to wait after a turn that failed. */
const failureMs = 1_000;

/**
 * Makes a loop.
 *
 * @param turn does what there is to do; resolves to how long to sleep afterwards at most, in
 *   milliseconds, 0 where there may be more at once.
 * @param onError is told what a turn threw; the loop goes on.
 */
export function createLoop(turn: () => Promise<number>, onError: (error: unknown) => void): Loop {
  const wakeup = createWakeup();
  let stopping = false;
  let running: Promise<void> | undefined;

  async function run(): Promise<void> {
    while (!stopping) {
      try {
        const sleepMs = await turn();
        if (sleepMs > 0) await wakeup.sleep(sleepMs);
      } catch (error) {
        onError(error);
        await wakeup.sleep(failureMs);
      }
    }
  }

  return {
    start() {
      running = run();
    },
    wake: () => wakeup.wake(),
    async stop() {
      stopping = true;
      wakeup.wake();
      await running;
    },
  };
}
