import { LRUCache } from 'lru-cache';
import { messageOf, RetryableError } from './errors.ts';
import { OutboundError, type SafeFetch } from './safe-fetch.ts';

const dayMs = 86_400_000;
const timeoutMs = 5_000;
const maxBytes = 512 * 1024;
/** While a key server is down each forged key id would otherwise make us ask it. */
const failureMs = 5_000;

/**
 * Documents that others publish, such as signing keys: got once by whoever needs one first, then
 * remembered by URL. Who wants one that is not older than `maxAgeMs` may make it be got again; an
 * older one is not taken for it. What could not be had is not asked for again for five seconds.
 *
 * @throws RetryableError where it cannot be had.
 */
export function createPublishedDocuments(
  safeFetch: Pick<SafeFetch, 'fetch'>,
  now: () => Date,
): (url: string, options?: { maxAgeMs?: number }) => Promise<string> {
  const known = new LRUCache<string, { text: string; at: number }>({ max: 500 });
  const failed = new LRUCache<string, { error: RetryableError; at: number }>({ max: 500 });
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
    failed.delete(url);
    return text;
  };

  const note = (url: string, error: unknown): never => {
    if (error instanceof RetryableError) failed.set(url, { error, at: now().getTime() });
    throw error;
  };

  return async (url, { maxAgeMs = dayMs } = {}) => {
    const document = known.get(url);
    if (document && now().getTime() - document.at <= maxAgeMs) return document.text;
    const failure = failed.get(url);
    if (failure && now().getTime() - failure.at < failureMs) throw failure.error;
    const underWay =
      asked.get(url) ??
      get(url)
        .catch((error: unknown) => note(url, error))
        .finally(() => asked.delete(url));
    asked.set(url, underWay);
    return await underWay;
  };
}
