import type { LaneLoad } from './claim.ts';
import type { LanePlace } from './find-lanes.ts';

/** A target as far as its limits go. */
export interface LaneOwner {
  readonly tenantId: string;
  readonly targetId: string;
  /** How many a second may be started, over all processes; null: any number. */
  readonly ratePerSecond: number | null;
}

/** A claim under way: it may take so many from any of these lanes. */
export interface Underway {
  readonly free: number;
  /** Undefined: from anywhere. */
  readonly lanes: readonly LanePlace[] | undefined;
}

interface Lane {
  readonly tenantId: string;
  readonly targetId: string;
  ratePerSecond: number | null;
  running: number;
  tokens: number;
  refilledAt: number;
}

/**
 * What this process runs for each target: the claim takes no more than is left of its share. A rate
 * is a token bucket that holds one second's worth.
 */
export interface Lanes {
  start(owner: LaneOwner): void;
  end(owner: LaneOwner): void;
  /** Sets the number of processes that the rates are shared by. */
  share(workers: number): void;
  /** What a claim has to know of them, beside others that are under way. */
  load(underway?: readonly Underway[]): LaneLoad[];
}

/** @param nowMs a clock that never goes back, in milliseconds. */
export function createLanes(nowMs: () => number): Lanes {
  const lanes = new Map<string, Lane>();
  let workers = 1;

  const capacity = (lane: Lane): number => Math.max(1, Math.ceil((lane.ratePerSecond ?? 0) / workers));

  function refill(lane: Lane): void {
    const at = nowMs();
    if (lane.ratePerSecond !== null) {
      const fresh = ((at - lane.refilledAt) / 1000) * (lane.ratePerSecond / workers);
      lane.tokens = Math.min(capacity(lane), lane.tokens + fresh);
    }
    lane.refilledAt = at;
  }

  function laneOf(owner: LaneOwner): Lane {
    const key = keyOf(owner);
    let lane = lanes.get(key);
    if (!lane) {
      lane = { ...owner, running: 0, tokens: 0, refilledAt: nowMs() };
      lane.tokens = capacity(lane);
      lanes.set(key, lane);
    }
    if (lane.ratePerSecond !== owner.ratePerSecond) {
      lane.ratePerSecond = owner.ratePerSecond;
      lane.tokens = Math.min(lane.tokens, capacity(lane));
    }
    return lane;
  }

  return {
    start(owner) {
      const lane = laneOf(owner);
      refill(lane);
      lane.running += 1;
      lane.tokens -= 1;
    },
    end(owner) {
      laneOf(owner).running -= 1;
    },
    share(count) {
      workers = count;
    },
    load(underway = []) {
      const taken = new Map<string, number>();
      for (const { free, lanes: places } of underway) {
        for (const [tenantId, targetId] of places ?? []) {
          const key = keyOf({ tenantId, targetId });
          taken.set(key, (taken.get(key) ?? 0) + free);
        }
      }
      const load: LaneLoad[] = [];
      for (const [key, lane] of lanes) {
        refill(lane);
        const isLimited = lane.ratePerSecond !== null;
        if (lane.running === 0 && (!isLimited || lane.tokens >= capacity(lane)) && !taken.has(key)) {
          lanes.delete(key);
          continue;
        }
        const { tenantId, targetId } = lane;
        const others = taken.get(key) ?? 0;
        taken.delete(key);
        const tokens = isLimited ? Math.max(0, Math.floor(lane.tokens) - others) : null;
        load.push({ tenantId, targetId, running: lane.running + others, tokens });
      }
      // Nothing is known of these: whatever they may take, it is taken by the other claim.
      for (const [key, others] of taken) {
        const [tenantId = '', targetId = ''] = key.split(' ');
        load.push({ tenantId, targetId, running: others, tokens: 0 });
      }
      return load;
    },
  };
}

function keyOf({ tenantId, targetId }: Pick<LaneOwner, 'tenantId' | 'targetId'>): string {
  return `${tenantId} ${targetId}`;
}
