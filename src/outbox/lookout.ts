import type { Claimed } from './claim.ts';
import type { LanePlace } from './find-lanes.ts';

/**
 * Where the next claim has to look. To look everywhere is to walk past what has ended since the last
 * vacuum: hundreds of thousands of index entries while a backlog is worked off. So where nothing new
 * can have come, a claim goes on in the lanes of the one before, from where it found something.
 */
export interface Lookout {
  /** Undefined: everywhere. */
  where(): readonly LanePlace[] | undefined;
  /** A claim has looked there, for so many. Returns whether it has left out what may be new. */
  looked(where: readonly LanePlace[] | undefined, free: number, claimed: Claimed): boolean;
  /** There may be something in another lane, or earlier in one of these. */
  somethingNew(): void;
}

/** How long what is new may wait where there is more to do than places, in milliseconds. */
const fullMs = 100;

/**
 * @param everyMs after how long it is looked everywhere in any case: for what nobody has told of.
 * @param nowMs a clock that never goes back, in milliseconds.
 */
export function createLookout(everyMs: number, nowMs: () => number): Lookout {
  let known: readonly LanePlace[] | undefined;
  let lookedEverywhereAt = -Infinity;
  let isNew = true;
  /** The last claim got all that it asked for: whatever is new has to wait for a place, and for others. */
  let isFull = false;

  return {
    where() {
      const elapsed = nowMs() - lookedEverywhereAt;
      const isEverywhere = known === undefined || elapsed >= everyMs || (isNew && (!isFull || elapsed >= fullMs));
      if (!isEverywhere) return known;
      lookedEverywhereAt = nowMs();
      isNew = false;
      return undefined;
    },
    looked(where, free, { claims, lanes, isWhole }) {
      isFull = claims.length >= free;
      // Another claim, beside this one, may have found out more meanwhile.
      if (where === undefined || where === known) known = isWhole ? lanes : undefined;
      return isNew && where !== undefined;
    },
    somethingNew() {
      isNew = true;
    },
  };
}
