import { describe, expect, it } from 'vitest';
import type { Claim, Claimed } from '../../src/outbox/claim.ts';
import type { LanePlace } from '../../src/outbox/find-lanes.ts';
import { createLookout } from '../../src/outbox/lookout.ts';

const lanes: LanePlace[] = [['tenant', 'lane', '2026-11-21T10:00:00.000001+00:00']];

const claimed = (count: number, isWhole = true): Claimed => ({
  claims: Array.from({ length: count }, () => ({}) as Claim),
  work: [],
  claimId: count > 0 ? '1' : null,
  position: { tenant: null, targets: {} },
  isRound: true,
  lanes,
  isWhole,
});

describe('createLookout', () => {
  it('looks everywhere first, and then where something was', () => {
    const lookout = createLookout(1_000, () => 0);
    expect(lookout.where()).toBeUndefined();
    expect(lookout.looked(undefined, 10, claimed(3))).toBe(false);
    expect(lookout.where()).toBe(lanes);
  });

  it('looks everywhere again when something is new', () => {
    const lookout = createLookout(1_000, () => 0);
    lookout.where();
    lookout.looked(undefined, 10, claimed(3));
    lookout.somethingNew();
    expect(lookout.where()).toBeUndefined();
    lookout.looked(undefined, 10, claimed(3));
    expect(lookout.where()).toBe(lanes);
  });

  it('lets what is new wait while there are no places for it, and says so when there are', () => {
    let now = 0;
    const lookout = createLookout(1_000, () => now);
    lookout.where();
    lookout.looked(undefined, 10, claimed(10));
    lookout.somethingNew();
    now = 99;
    expect(lookout.where()).toBe(lanes);
    expect(lookout.looked(lanes, 10, claimed(0))).toBe(true);
    expect(lookout.where()).toBeUndefined();
    expect(lookout.looked(undefined, 10, claimed(0))).toBe(false);
  });

  it('lets what is new wait for a tenth of a second at most, however full it is', () => {
    let now = 0;
    const lookout = createLookout(1_000, () => now);
    lookout.where();
    lookout.looked(undefined, 10, claimed(10));
    lookout.somethingNew();
    now = 100;
    expect(lookout.where()).toBeUndefined();
  });

  it('looks everywhere once in a while, however full it is', () => {
    let now = 0;
    const lookout = createLookout(1_000, () => now);
    lookout.where();
    lookout.looked(undefined, 10, claimed(10));
    now = 999;
    expect(lookout.where()).toBe(lanes);
    lookout.looked(lanes, 10, claimed(10));
    now = 1_000;
    expect(lookout.where()).toBeUndefined();
  });

  it('keeps what it knows when a claim comes back that was sent before', () => {
    const lookout = createLookout(1_000, () => 0);
    lookout.where();
    lookout.looked(undefined, 10, claimed(3));
    const first = lookout.where();
    const second = lookout.where();
    expect([first, second]).toEqual([lanes, lanes]);
    const further: LanePlace[] = [['tenant', 'lane', '2026-11-21T10:00:01.000001+00:00']];
    lookout.looked(second, 10, { ...claimed(10), lanes: further });
    lookout.looked(first, 10, claimed(10));
    expect(lookout.where()).toBe(further);
  });

  it('knows no lanes where there are more than one look can list', () => {
    const lookout = createLookout(1_000, () => 0);
    lookout.where();
    lookout.looked(undefined, 10, claimed(10, false));
    expect(lookout.where()).toBeUndefined();
  });
});
