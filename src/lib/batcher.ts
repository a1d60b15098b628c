import { codeOf, PostroomError } from './errors.ts';

/**
 * Group commit: items that arrive while a flush is under way share the next one, and each caller is
 * answered only after the flush that holds its item. There is no timer: a flush starts as soon as a
 * writer is free, so batches size themselves (about 22 at 64 connections, 80 at 256; a linger of 1
 * to 5 ms only lost).
 */
export interface Batcher<Item, Result> {
  /** Resolves with the item's own result, or rejects with the item's own error. */
  add(item: Item): Promise<Result>;
  /** Resolves when everything added so far has been flushed, well or badly. */
  drain(): Promise<void>;
  readonly queued: number;
}

export interface BatcherOptions<Item, Result> {
  /** Writes the items in one go; returns their results in the same order, or throws. */
  flush(items: readonly Item[]): Promise<readonly Result[]>;
  /** Flushes under way at once. */
  writers: number;
  /**
   * A further flush starts beside one that has been under way for so long, in milliseconds. On a
   * fast disk one writer with larger batches was 1.2 times as fast as two; a slow one wants several.
   */
  patienceMs?: number;
  maxItems: number;
  /** Size of one item in bytes, and how much one flush and the queue may hold. */
  sizeOf?: (item: Item) => number;
  maxBytes?: number;
  maxQueuedItems: number;
  maxQueuedBytes?: number;
  onFlush?: (items: number) => void;
}

/** SQLSTATE classes that blame a row, not the connection: 22 data, 23 constraint, 54 limits. */
export function isRowFault(error: unknown): boolean {
  return /^(?:22|23|54)[0-9A-Z]{3}$/.test(codeOf(error) ?? '');
}

interface Waiting<Item, Result> {
  item: Item;
  bytes: number;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

export function createBatcher<Item, Result>(options: BatcherOptions<Item, Result>): Batcher<Item, Result> {
  const { writers, maxItems, maxQueuedItems } = options;
  const maxBytes = options.maxBytes ?? Infinity;
  const maxQueuedBytes = options.maxQueuedBytes ?? Infinity;
  let queue: Waiting<Item, Result>[] = [];
  let queuedBytes = 0;
  let running = 0;
  let scheduled = false;
  let lastStart = -Infinity;
  let patience: NodeJS.Timeout | undefined;
  let idle: (() => void)[] = [];

  /** Takes the next batch off the queue; one item larger than `maxBytes` goes alone. */
  function take(): Waiting<Item, Result>[] {
    let count = 0;
    let bytes = 0;
    for (const waiting of queue) {
      if (count === maxItems || (count > 0 && bytes + waiting.bytes > maxBytes)) break;
      bytes += waiting.bytes;
      count += 1;
    }
    const batch = queue.slice(0, count);
    queue = queue.slice(count);
    queuedBytes -= bytes;
    return batch;
  }

  /** One bad row never fails its neighbours: a batch that a row spoils is halved down to the row. */
  async function write(batch: Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await options.flush(batch.map((waiting) => waiting.item));
      batch.forEach((waiting, index) => waiting.resolve(results[index] as Result));
    } catch (error) {
      if (batch.length === 1 || !isRowFault(error)) {
        for (const waiting of batch) waiting.reject(error);
        return;
      }
      const middle = Math.ceil(batch.length / 2);
      await write(batch.slice(0, middle));
      await write(batch.slice(middle));
    }
  }

  function pump(): void {
    scheduled = false;
    while (running < writers && queue.length > 0) {
      const wait = running === 0 ? 0 : lastStart + (options.patienceMs ?? 0) - performance.now();
      if (wait > 0) {
        patience ??= setTimeout(() => {
          patience = undefined;
          pump();
        }, wait);
        return;
      }
      start(take());
    }
  }

  function start(batch: Waiting<Item, Result>[]): void {
    running += 1;
    lastStart = performance.now();
    options.onFlush?.(batch.length);
    void write(batch).finally(() => {
      running -= 1;
      if (queue.length > 0) pump();
      else if (running === 0) {
        for (const done of idle) done();
        idle = [];
      }
    });
  }

  return {
    add(item) {
      const bytes = options.sizeOf?.(item) ?? 0;
      if (queue.length >= maxQueuedItems || (queue.length > 0 && queuedBytes + bytes > maxQueuedBytes)) {
        return Promise.reject(
          new PostroomError('unavailable', 'too much is waiting to be written', { type: 'overloaded' }),
        );
      }
      return new Promise<Result>((resolve, reject) => {
        queue.push({ item, bytes, resolve, reject });
        queuedBytes += bytes;
        if (scheduled || running >= writers) return;
        scheduled = true;
        // After this tick's sockets were read, so that their requests share the first flush too.
        setImmediate(pump);
      });
    },
    drain() {
      if (queue.length === 0 && running === 0) return Promise.resolve();
      return new Promise((resolve) => idle.push(resolve));
    },
    get queued() {
      return queue.length;
    },
  };
}
