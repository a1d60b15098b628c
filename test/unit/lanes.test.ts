import { describe, expect, it } from 'vitest';
import { createLanes } from '../../src/outbox/lanes.ts';

const tenantId = 'tenant';
const unlimited = { tenantId, targetId: 'unlimited', ratePerSecond: null };
const limited = { tenantId, targetId: 'limited', ratePerSecond: 10 };

describe('createLanes', () => {
  it('tells what runs, and what a rate leaves', () => {
    let now = 0;
    const lanes = createLanes(() => now);
    for (const owner of [unlimited, unlimited, limited, limited, limited]) lanes.start(owner);
    lanes.end(unlimited);
    expect(lanes.load()).toEqual([
      { tenantId, targetId: 'unlimited', running: 1, tokens: null },
      { tenantId, targetId: 'limited', running: 3, tokens: 7 },
    ]);
    now = 200;
    expect(lanes.load()[1]).toMatchObject({ running: 3, tokens: 9 });
  });

  it('shares a rate with other workers', () => {
    const lanes = createLanes(() => 0);
    lanes.share(2);
    lanes.start(limited);
    expect(lanes.load()).toEqual([{ tenantId, targetId: 'limited', running: 1, tokens: 4 }]);
  });

  it('forgets a lane where nothing runs and all of its rate is there', () => {
    let now = 0;
    const lanes = createLanes(() => now);
    for (const owner of [unlimited, limited]) {
      lanes.start(owner);
      lanes.end(owner);
    }
    expect(lanes.load()).toEqual([{ tenantId, targetId: 'limited', running: 0, tokens: 9 }]);
    now = 100;
    expect(lanes.load()).toEqual([]);
  });

  it('takes it that a claim under way takes all that it may, wherever it may', () => {
    const lanes = createLanes(() => 0);
    for (const owner of [unlimited, limited]) lanes.start(owner);
    const since = '2026-11-21T10:00:00+00:00';
    const places = ['unlimited', 'limited', 'idle'].map((targetId) => [tenantId, targetId, since] as const);
    expect(lanes.load([{ free: 4, lanes: places }])).toEqual([
      { tenantId, targetId: 'unlimited', running: 5, tokens: null },
      { tenantId, targetId: 'limited', running: 5, tokens: 5 },
      { tenantId, targetId: 'idle', running: 4, tokens: 0 },
    ]);
  });
});
