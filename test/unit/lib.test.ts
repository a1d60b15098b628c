import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { environmentKeys, parseConfig } from '../../src/config.ts';
import { PermanentError, RetryableError } from '../../src/lib/errors.ts';
import { firstIdAt, isUuid, newId } from '../../src/lib/ids.ts';
import { createSealer, newSealingKey } from '../../src/lib/sealing.ts';
import { storableJson, storableText } from '../../src/lib/storable.ts';
import { createWakeup } from '../../src/lib/wakeup.ts';
import { judgeFailure, parseRetryAfter, retryDelayMs, targetPolicy } from '../../src/outbox/retry-policy.ts';
import { nestsDeeperThan } from '../../src/http/middleware/bounded-json.ts';
import { liveSecrets, rotate } from '../../src/inbox/channel-secrets.ts';

describe('retries', () => {
  const policy = targetPolicy.parse({});

  it('delays are jittered from nothing to a bound that doubles up to its cap', () => {
    const bounds = [1, 2, 3, 4, 20].map((attempts) => retryDelayMs(policy, attempts, undefined, 0.999_999_999));
    expect(bounds).toEqual([5_000, 10_000, 20_000, 40_000, 43_200_000]);
    expect(retryDelayMs(policy, 5, undefined, 0)).toBe(0);
    expect(retryDelayMs(policy, 1_000_000, undefined, 0.5)).toBe(21_600_000);
  });

  it('the defaults try for 59 hours at most', () => {
    const delays = Array.from({ length: policy.maxAttempts - 1 }, (_unused, index) =>
      retryDelayMs(policy, index + 1, undefined, 1),
    );
    expect(Math.round(delays.reduce((sum, delay) => sum + delay, 0) / 3_600_000)).toBe(59);
  });

  it('a target’s wish is a lower bound, up to a day', () => {
    expect(retryDelayMs(policy, 1, 90_000, 0.5)).toBe(90_000);
    expect(retryDelayMs(policy, 1, 10 ** 12, 0.5)).toBe(86_400_000);
  });

  it('Retry-After is read as seconds or as a date, and nothing else', () => {
    const now = new Date('2026-01-01T00:00:00Z');
    expect(parseRetryAfter('120', now)).toBe(120_000);
    expect(parseRetryAfter('Thu, 01 Jan 2026 00:01:00 GMT', now)).toBe(60_000);
    expect(parseRetryAfter('Wed, 31 Dec 2025 00:00:00 GMT', now)).toBe(0);
    for (const text of ['', 'soon', '-5', null, undefined]) expect(parseRetryAfter(text, now)).toBeUndefined();
  });

  it('permanent is dead at once; anything else is tried until the tries are used up', () => {
    expect(judgeFailure(new PermanentError('no', 'no'), policy, 1, 0.5)).toMatchObject({
      outcome: 'dead',
      error: { code: 'no' },
    });
    expect(judgeFailure(new RetryableError('later', 'x', { retryAfterMs: 7_000 }), policy, 1, 0)).toMatchObject({
      outcome: 'retry',
      delayMs: 7_000,
    });
    expect(judgeFailure(new TypeError('a bug'), policy, 1, 0.5)).toMatchObject({
      outcome: 'retry',
      error: { code: 'handler_error' },
    });
    expect(judgeFailure('thrown text', policy, 18, 0.5)).toMatchObject({
      outcome: 'dead',
      error: { exhausted: true, attempts: 18 },
    });
  });
});

describe('what PostgreSQL cannot hold', () => {
  it('becomes U+FFFD, and everything else stays as it is, for any text and JSON', () => {
    expect(storableText('a\0\uD800b\u{1F600}')).toBe('a\uFFFD\uFFFDb\u{1F600}');
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
        const text = storableJson(value);
        expect(text).not.toMatch(/(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/i);
        if (!/\\u(?:0000|d[89a-f])/i.test(JSON.stringify(value))) expect(text).toBe(JSON.stringify(value));
      }),
    );
  });

  it('a backslash before u0000 is text like any other', () => {
    expect(JSON.parse(storableJson({ text: '\\u0000' }))).toEqual({ text: '\\u0000' });
  });
});

describe('sealing', () => {
  it('opens with the same key and context, and with no other', () => {
    const [key, other] = [newSealingKey(), newSealingKey()];
    const sealed = createSealer(key).seal('secret \u{1F511}', 'row 1');
    expect(createSealer(key).open(sealed, 'row 1')).toBe('secret \u{1F511}');
    expect(() => createSealer(key).open(sealed, 'row 2')).toThrow();
    expect(() => createSealer(other).open(sealed, 'row 1')).toThrow(/another POSTROOM_SECRET_KEY/);
    for (let index = 0; index < sealed.length; index += 7) {
      const changed = sealed.slice(0, index) + (sealed[index] === 'A' ? 'B' : 'A') + sealed.slice(index + 1);
      expect(() => createSealer(key).open(changed, 'row 1')).toThrow();
    }
    expect(createSealer(key).seal('same', 'x')).not.toBe(createSealer(key).seal('same', 'x'));
    expect(() => createSealer('c2hvcnQ=')).toThrow(TypeError);
  });
});

describe('ids', () => {
  it('sort by time, and know their time', () => {
    const ids = Array.from({ length: 1_000 }, newId);
    expect(ids.toSorted()).toEqual(ids);
    expect(ids.every(isUuid)).toBe(true);
    const [before, after] = [firstIdAt(new Date(Date.now() - 1)), firstIdAt(new Date(Date.now() + 1_000))];
    const id = newId();
    expect(id > before && id < after).toBe(true);
    for (const text of ['', 'x', '../../etc', `${newId()}x`]) expect(isUuid(text)).toBe(false);
  });
});

describe('configuration', () => {
  it('has defaults for everything, and takes empty as absent', () => {
    expect(parseConfig({ PORT: '', DATABASE_URL: '' })).toMatchObject({
      port: 8080,
      host: '127.0.0.1',
      databaseUrl: undefined,
      dataDir: './.postroom',
      role: 'all',
      allowPrivateTargets: [],
    });
  });

  it('names each variable that is wrong, and what it must be, but never its value', () => {
    const env = {
      PORT: '99999',
      ROLE: 'boss',
      PUBLIC_URL: 'nonsense',
      POSTROOM_ADMIN_TOKEN: 'hunter2',
      POSTROOM_SECRET_KEY: 'c2VjcmV0',
    };
    let message = '';
    try {
      parseConfig(env);
    } catch (error) {
      message = String(error);
    }
    for (const key of Object.keys(env)) expect(message).toContain(`${key}: `);
    for (const value of ['hunter2', 'c2VjcmV0']) expect(message).not.toContain(value);
    expect(() => parseConfig({ DATABASE_URL: 'postgres://x' })).toThrow(/POSTROOM_SECRET_KEY: is required/);
    expect(() => parseConfig({ DATABASE_URL: 'mysql://x' })).toThrow(/DATABASE_URL/);
    expect(environmentKeys.length).toBeGreaterThan(10);
  });
});

describe('JSON depth', () => {
  it('counts brackets outside strings', () => {
    expect(nestsDeeperThan('[[[]]]', 2)).toBe(true);
    expect(nestsDeeperThan('[[],[],{"a":[]}]', 3)).toBe(false);
    expect(nestsDeeperThan('["[[[[", "\\"[[[["]', 1)).toBe(false);
    expect(nestsDeeperThan('['.repeat(1_000_000), 64)).toBe(true);
  });
});

describe('rotation of secrets', () => {
  const now = new Date('2026-01-01T00:00:00Z');
  const later = (seconds: number) => new Date(now.getTime() + seconds * 1000);

  it('the old value lives for the grace time beside the new one, newest first', () => {
    const rotated = rotate({ key: [{ value: 'old', expiresAt: null }] }, 'key', 'new', now, 60);
    expect(liveSecrets(rotated, now)).toEqual({ key: ['new', 'old'] });
    expect(liveSecrets(rotated, later(61))).toEqual({ key: ['new'] });
  });

  it('a second rotation never makes an old value live longer', () => {
    const once = rotate({ key: [{ value: 'a', expiresAt: null }] }, 'key', 'b', now, 60);
    const twice = rotate(once, 'key', 'c', later(30), 3_600);
    expect(liveSecrets(twice, later(40))).toEqual({ key: ['c', 'b', 'a'] });
    expect(liveSecrets(twice, later(61))).toEqual({ key: ['c', 'b'] });
  });

  it('without a grace time the old value ends at once', () => {
    expect(rotate({ key: [{ value: 'a', expiresAt: null }] }, 'key', 'b', now, 0)).toEqual({
      key: [{ value: 'b', expiresAt: null }],
    });
  });
});

describe('wake-ups', () => {
  it('one that comes before the sleep ends it at once; otherwise it lasts its time', async () => {
    const wakeup = createWakeup();
    wakeup.wake();
    const started = performance.now();
    await wakeup.sleep(5_000);
    expect(performance.now() - started).toBeLessThan(1_000);
    setTimeout(wakeup.wake, 5);
    await wakeup.sleep(5_000);
    expect(performance.now() - started).toBeLessThan(1_000);
    await wakeup.sleep(1);
  });
});
