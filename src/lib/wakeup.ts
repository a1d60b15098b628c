/** Lets a loop sleep until there is something to do, or until its time is over. */
export interface Wakeup {
  /** Ends the sleep, or the next one where nobody sleeps now. */
  wake(): void;
  /** Sleeps for so long at most. */
  sleep(ms: number): Promise<void>;
}

export function createWakeup(): Wakeup {
  let pending = false;
  let end: (() => void) | undefined;
  return {
    wake() {
      pending = true;
      end?.();
    },
    async sleep(ms) {
      if (!pending) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          end = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        end = undefined;
      }
      pending = false;
    },
  };
}
