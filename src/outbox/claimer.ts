import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { claimDeliveries } from './claim.ts';
import type { ClaimNotes } from './claim-notes.ts';
import type { Position } from './find-lanes.ts';
import type { Lanes, Underway } from './lanes.ts';
import { createLookout } from './lookout.ts';
import type { Work } from './work.ts';
import type { Share } from './workers.ts';

export interface ClaimerOptions {
  readonly db: Kysely<Database>;
  /** Names the worker in leases. */
  readonly name: string;
  readonly leaseSeconds: number;
  /** How long what nobody has told of may wait, in milliseconds. */
  readonly pollMs: number;
  readonly lanes: Lanes;
  readonly notes: ClaimNotes;
}

export interface Found {
  readonly work: readonly Work[];
  /** Null where there is no work. */
  readonly claimId: string | null;
  /** Whether it is worth while to look again at once. */
  readonly more: boolean;
}

/** A worker's claims: where each has to look, and what those under way may take. */
export interface Claimer {
  /** Places that claims under way may fill. */
  readonly asked: number;
  claim(places: number, share: Share): Promise<Found>;
  /**
   * Whether a second claim may go beside one under way, so that PostgreSQL finds the next deliveries
   * while this process reads the last: where there is surely more, room for it, and where it is known
   * what the first one may take.
   */
  mayClaimBeside(places: number): boolean;
  /** There may be something due that no claim has seen. */
  somethingNew(): void;
}

/** Deliveries of one claim: the larger, the longer others wait for what it takes. */
export const maxClaim = 500;

export function createClaimer({ db, name, leaseSeconds, pollMs, lanes, notes }: ClaimerOptions): Claimer {
  const lookout = createLookout(pollMs, () => performance.now());
  const underway = new Set<Underway>();
  let position: Position = { tenant: null, targets: {} };
  /** The last claim found as many as one may. */
  let isDeep = false;

  return {
    get asked() {
      let asked = 0;
      for (const claim of underway) asked += claim.free;
      return asked;
    },
    async claim(places, { workers, rank }) {
      const asked = { free: Math.min(places, maxClaim), lanes: lookout.where() };
      const load = lanes.load([...underway]);
      const done = notes.takeDone();
      underway.add(asked);
      try {
        const request = { ...asked, worker: name, leaseSeconds, workers, rank, load, position, done };
        const claimed = await claimDeliveries(db, request);
        const { work, claimId, isRound } = claimed;
        const isUnseen = lookout.looked(asked.lanes, asked.free, claimed);
        if (asked.lanes === undefined) ({ position } = claimed);
        isDeep = work.length === maxClaim;
        return { work, claimId, more: claimId !== null || isUnseen || !isRound };
      } catch (error) {
        notes.putBack(done);
        isDeep = false;
        throw error;
      } finally {
        underway.delete(asked);
      }
    },
    mayClaimBeside(places) {
      return isDeep && places >= maxClaim && [...underway].every((claim) => claim.lanes !== undefined);
    },
    somethingNew: () => lookout.somethingNew(),
  };
}
