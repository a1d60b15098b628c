import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);
const heap = new URL('../../src/entry/heap.ts', import.meta.url).href;

/** What V8 says of places in a program whose objects it makes among the old ones. */
async function decisionsOf(first: string): Promise<string[]> {
  const program = `
    import { makeAllYoung } from '${heap}';
    ${first}
    const kept = [];
    const make = (n) => ({ n, list: [n] });
    for (let n = 0; n < 2_000_000; n += 1) kept.push(make(n));`;
  const { stdout } = await run(process.execPath, [
    '--trace-pretenuring-statistics',
    // Code that is not optimized always counts which of its objects live on.
    '--no-opt',
    '--no-maglev',
    '--input-type=module',
    '--eval',
    program,
  ]);
  return stdout.match(/AllocationSite.*tenure => tenure/g) ?? [];
}

it('objects that live on are made among the old ones by V8 itself, and among the young once it is told', async () => {
  expect(await decisionsOf('')).not.toEqual([]);
  expect(await decisionsOf('makeAllYoung();')).toEqual([]);
}, 60_000);
