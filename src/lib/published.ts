import { LRUCache } from 'lru-cache';
import { messageOf, RetryableError } from './errors.ts';
import { OutboundError, type SafeFetch } from './safe-fetch.ts';

const dayMs = 86_400_000;
const timeoutMs = 5_000;
const maxBytes = 512 * 1024;

/**
 * Documents that others publish, such as signing keys: got once by whoever needs one first, then
 * remembered by URL. Who wants one that is not older than `maxAgeMs` may make it be got again; what
 * cannot be got is not remembered, and an older one is not taken for it.
 *
 * @throws RetryableError where it cannot be had.
 */
export function createPublishedDocuments(
  safeFetch: Pick<SafeFetch, 'fetch'>,
  now: () => Date,
): (url: string, options?: { maxAgeMs?: number }) => Promise<string> {
  const known = new LRUCache<string, { text: string; at: number }>({ max: 500 });
  const asked = new Map<string, Promise<string>>();

  const get = async (url: string): Promise<string> => {
    const at = now().getTime();
    const answer = await safeFetch
      .fetch(url, { method: 'GET', timeoutMs, maxResponseBytes: maxBytes })
      .catch((error: unknown) => {
        if (!(error instanceof OutboundError)) throw error;
        throw new RetryableError('not_published', `${url}: ${messageOf(error)}`, { cause: error });
      });
    if (answer.status !== 200 || answer.truncated) {
      throw new RetryableError('not_published', `${url}: ${answer.truncated ? 'too long' : answer.status}`);
    }
    const text = new TextDecoder().decode(answer.body);
    known.set(url, { text, at });
    return text;
  };

  return async (url, { maxAgeMs = dayMs } = {}) => {
    const document = known.get(url);
    if (document && now().getTime() - document.at <= maxAgeMs) return document.text;
    const underWay = asked.get(url) ?? get(url).finally(() => asked.delete(url));
    asked.set(url, underWay);
    return await underWay;
  };
}
