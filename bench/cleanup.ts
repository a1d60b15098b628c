/** Takes down what has to be undone at the end. */
export type OnEnd = (undo: () => Promise<void>) => void;

/** What has to be undone when a benchmark ends, well or badly, or is interrupted. */
export interface Cleanup {
  readonly add: OnEnd;
  /** Undoes everything, the latest first, also where one of them fails. Runs once. */
  run(): Promise<void>;
}

/** @param within what this is a part of: it is run there too, if it has not been before. */
export function createCleanup(within?: OnEnd): Cleanup {
  const undos: (() => Promise<void>)[] = [];
  let running: Promise<void> | undefined;

  async function undoAll(): Promise<void> {
    for (let undo = undos.pop(); undo; undo = undos.pop()) {
      await undo().catch((error: unknown) => process.stderr.write(`could not clean up: ${String(error)}\n`));
    }
  }
  const run = (): Promise<void> => (running ??= undoAll());
  if (within) within(run);
  else {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => void run().then(() => process.exit(1)));
    }
  }
  return { add: (undo) => void undos.push(undo), run };
}
