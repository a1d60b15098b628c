import { expect, test } from 'vitest';
import { RetryableError } from '../../src/lib/errors.ts';
import { createPublishedDocuments } from '../../src/lib/published.ts';
import { OutboundError, type SafeFetchResponse } from '../../src/lib/safe-fetch.ts';

const url = 'https://login.example.com/keys';

/** A network of one document, which counts how often it is asked for. */
function publish(answers: (string | number | Error)[]) {
  let asked = 0;
  let time = Date.parse('2025-03-04T12:00:00Z');
  const fetch = async (): Promise<SafeFetchResponse> => {
    const answer = answers[Math.min(asked, answers.length - 1)];
    asked += 1;
    await new Promise((resolve) => setImmediate(resolve));
    if (answer instanceof Error) throw answer;
    const [status, text] = typeof answer === 'number' ? [answer, ''] : [200, answer ?? ''];
    return { status, headers: new Headers(), body: new TextEncoder().encode(text), truncated: false };
  };
  const published = createPublishedDocuments({ fetch }, () => new Date(time));
  return { published, asked: () => asked, wait: (ms: number) => (time += ms) };
}

test('a document is got once for all who ask at a time, and remembered for a day', async () => {
  const { published, asked, wait } = publish(['one', 'two']);
  expect(await Promise.all([published(url), published(url), published(url)])).toEqual(['one', 'one', 'one']);
  wait(86_400_000);
  expect(await published(url)).toBe('one');
  expect(asked()).toBe(1);
  wait(1);
  expect(await published(url)).toBe('two');
});

test('who wants a newer one gets it, but not more often than they say', async () => {
  const { published, asked, wait } = publish(['one', 'two']);
  await published(url);
  wait(60_000);
  for (let index = 0; index < 50; index += 1) expect(await published(url, { maxAgeMs: 300_000 })).toBe('one');
  expect(asked()).toBe(1);
  wait(300_000);
  expect(await published(url, { maxAgeMs: 300_000 })).toBe('two');
});

test.each([
  ['an error of the server', 500],
  ['a redirect, which is not followed', 302],
  ['no connection', new OutboundError('connection_failed', 'ECONNREFUSED')],
])('%s is a reason to try again, though not in the next five seconds', async (_what, answer) => {
  const { published, asked, wait } = publish([answer, answer, 'one']);
  const first = await published(url).catch((error: unknown) => error);
  expect(first).toBeInstanceOf(RetryableError);
  wait(4_999);
  for (let index = 0; index < 50; index += 1) await expect(published(url)).rejects.toBe(first);
  expect(asked()).toBe(1);
  wait(1);
  await expect(published(url)).rejects.toBeInstanceOf(RetryableError);
  expect(asked()).toBe(2);
  wait(5_000);
  expect(await published(url)).toBe('one');
});

test('who takes an older document has it while the newer one cannot be had', async () => {
  const { published, asked, wait } = publish(['one', 500]);
  await published(url);
  wait(60_000);
  await expect(published(url, { maxAgeMs: 1_000 })).rejects.toBeInstanceOf(RetryableError);
  expect(await published(url)).toBe('one');
  await expect(published('https://login.example.com/others')).rejects.toBeInstanceOf(RetryableError);
  expect(asked()).toBe(3);
});
