import type { LaneLoad } from './claim.ts';

/** A target as far as its limits go. */
export interface LaneOwner {
  readonly tenantId: string;
  readonly targetId: string;
  /** How many a second may be started, over all processes; null: any number. */
  readonly ratePerSecond: number | null;
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
  load(): LaneLoad[];
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
    const key = `${owner.tenantId} ${owner.targetId}`;
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
    load() {
      const load: LaneLoad[] = [];
      for (const [key, lane] of lanes) {
        refill(lane);
        const isLimited = lane.ratePerSecond !== null;
        if (lane.running === 0 && (!isLimited || lane.tokens >= capacity(lane))) {
          lanes.delete(key);
          continue;
        }
        const { tenantId, targetId, running } = lane;
        load.push({ tenantId, targetId, running, tokens: isLimited ? Math.max(0, Math.floor(lane.tokens)) : null });
      }
      return load;
    },
  };
}
