import { describe, expect, it } from 'vitest';
import { createBatcher } from '../../src/lib/batcher.ts';

const rowFault = (message: string) => Object.assign(new Error(message), { code: '22P02' });

function gate(): { open: () => void; wait: Promise<void> } {
  let open = (): void => {};
  const wait = new Promise<void>((resolve) => (open = resolve));
  return { open, wait };
}

describe('the batcher', () => {
  it('lets what arrives during a flush share the next one', async () => {
    const flushes: number[][] = [];
    const first = gate();
    const batcher = createBatcher<number, number>({
      writers: 1,
      maxItems: 100,
      maxQueuedItems: 100,
      async flush(items) {
        flushes.push([...items]);
        if (flushes.length === 1) await first.wait;
        return items.map((item) => item * 10);
      },
    });
    const one = batcher.add(1);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    const rest = [2, 3, 4].map((item) => batcher.add(item));
    first.open();
    expect(await Promise.all([one, ...rest])).toEqual([10, 20, 30, 40]);
    expect(flushes).toEqual([[1], [2, 3, 4]]);
  });

  it('answers nobody before the flush that holds its item has ended', async () => {
    const hold = gate();
    let done = false;
    const batcher = createBatcher<number, number>({
      writers: 1,
      maxItems: 10,
      maxQueuedItems: 10,
      async flush(items) {
        await hold.wait;
        done = true;
        return items;
      },
    });
    const results = [1, 2].map(async (item) => {
      await batcher.add(item);
      return done;
    });
    setTimeout(hold.open, 10);
    expect(await Promise.all(results)).toEqual([true, true]);
  });

  it('a row at fault fails alone; the others of its batch are written', async () => {
    const written: number[] = [];
    const batcher = createBatcher<number, number>({
      writers: 1,
      maxItems: 100,
      maxQueuedItems: 100,
      async flush(items) {
        if (items.includes(13)) throw rowFault('unlucky');
        written.push(...items);
        return items;
      },
    });
    const results = await Promise.allSettled(Array.from({ length: 30 }, (_unused, index) => batcher.add(index)));
    expect(results.map((result) => result.status)).toEqual(
      Array.from({ length: 30 }, (_unused, index) => (index === 13 ? 'rejected' : 'fulfilled')),
    );
    expect(written.toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 30 }, (_unused, index) => index).filter((index) => index !== 13),
    );
  });

  it('an error that blames no row fails the batch at once, without another try', async () => {
    let flushes = 0;
    const batcher = createBatcher<number, number>({
      writers: 1,
      maxItems: 100,
      maxQueuedItems: 100,
      async flush() {
        flushes += 1;
        throw Object.assign(new Error('down'), { code: 'ECONNREFUSED' });
      },
    });
    const results = await Promise.allSettled([1, 2, 3].map((item) => batcher.add(item)));
    expect(results.every((result) => result.status === 'rejected')).toBe(true);
    expect(flushes).toBe(1);
  });

  it('bounds a flush by count and bytes, and the queue by both, with a clear refusal', async () => {
    const sizes: number[] = [];
    const hold = gate();
    const batcher = createBatcher<number, number>({
      writers: 1,
      maxItems: 3,
      maxBytes: 10,
      maxQueuedItems: 6,
      maxQueuedBytes: 100,
      sizeOf: (item) => item,
      async flush(items) {
        sizes.push(items.length);
        await hold.wait;
        return items;
      },
    });
    const accepted = [4, 4, 4, 50, 1, 1].map((item) => batcher.add(item));
    await expect(batcher.add(1)).rejects.toMatchObject({ code: 'unavailable', type: 'overloaded', retryable: true });
    hold.open();
    await Promise.all(accepted);
    // 4+4 fit, 4 goes before the 50 that goes alone, and the small ones share.
    expect(sizes).toEqual([2, 1, 1, 2]);
    const big = createBatcher<number, number>({
      writers: 1,
      maxItems: 3,
      maxQueuedItems: 6,
      maxQueuedBytes: 5,
      sizeOf: (item) => item,
      flush: async (items) => items,
    });
    // One that is larger than the whole queue may hold still goes when it is alone.
    const alone = big.add(50);
    await expect(big.add(1)).rejects.toMatchObject({ code: 'unavailable' });
    expect(await alone).toBe(50);
  });

  it('starts a further flush only beside one that takes longer than its patience', async () => {
    const starts: number[] = [];
    const begun = performance.now();
    const batcher = createBatcher<number, number>({
      writers: 2,
      patienceMs: 60,
      maxItems: 10,
      maxQueuedItems: 100,
      async flush(items) {
        starts.push(performance.now() - begun);
        // The first takes long, the others do not.
        await new Promise((resolve) => setTimeout(resolve, items.includes(1) ? 200 : 1));
        return items;
      },
    });
    const one = batcher.add(1);
    await new Promise((resolve) => setTimeout(resolve, 10));
    await batcher.add(2);
    expect(starts).toHaveLength(2);
    expect(starts[1]).toBeGreaterThan(55);
    await one;
    await batcher.add(3);
    expect(starts).toHaveLength(3);
  });

  it('keeps as many flushes under way as it has writers, and drains', async () => {
    let now = 0;
    let most = 0;
    const batcher = createBatcher<number, number>({
      writers: 2,
      maxItems: 1,
      maxQueuedItems: 100,
      async flush(items) {
        now += 1;
        most = Math.max(most, now);
        await new Promise((resolve) => setTimeout(resolve, 2));
        now -= 1;
        return items;
      },
    });
    const all = Array.from({ length: 10 }, (_unused, index) => batcher.add(index));
    await batcher.drain();
    expect(batcher.queued).toBe(0);
    expect(await Promise.all(all)).toHaveLength(10);
    expect(most).toBe(2);
    await batcher.drain();
  });
});
