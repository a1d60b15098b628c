import { describe, expect, it } from 'vitest';
import { Stop } from '../../src/outbox/stop.ts';

const late = new Error('too late');

describe('Stop', () => {
  it('lets go on until it is told', async () => {
    const stop = new Stop();
    expect(stop.reason).toBeUndefined();
    expect(stop.signal.aborted).toBe(false);
    expect(await stop.orStopped(Promise.resolve('done'))).toBe('done');
    await expect(stop.orStopped(Promise.reject(late))).rejects.toBe(late);
  });

  it('tells who waits and who listens, with the first reason', async () => {
    const stop = new Stop();
    const stopped = stop.orStopped(new Promise(() => {}));
    const { signal } = stop;
    stop.stop(late);
    stop.stop(new Error('another'));
    await expect(stopped).rejects.toBe(late);
    expect(signal.reason).toBe(late);
    expect(stop.reason).toBe(late);
  });

  it('tells who asks afterwards', async () => {
    const stop = new Stop();
    stop.stop(late);
    expect(stop.signal.reason).toBe(late);
    await expect(stop.orStopped(new Promise(() => {}))).rejects.toBe(late);
  });
});
