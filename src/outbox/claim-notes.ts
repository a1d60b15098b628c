/** Of which of its claims a worker has ended everything, so that their notes in the database can go. */
export interface ClaimNotes {
  claimed(claimId: string, deliveries: number): void;
  /** One delivery of a claim has ended. */
  ended(claimId: string): void;
  /** The end of a delivery could not be told: its claim's note stays, so that others find it. */
  lost(claimId: string): void;
  /** Claims that can be forgotten. Whoever takes them sees to it, or puts them back. */
  takeDone(): readonly string[];
  putBack(claimIds: readonly string[]): void;
}

export function createClaimNotes(): ClaimNotes {
  const open = new Map<string, number>();
  let done: string[] = [];
  return {
    claimed: (claimId, deliveries) => void open.set(claimId, deliveries),
    ended(claimId) {
      const left = (open.get(claimId) ?? Number.NaN) - 1;
      if (left > 0) open.set(claimId, left);
      else if (open.delete(claimId)) done.push(claimId);
    },
    lost: (claimId) => void open.delete(claimId),
    takeDone() {
      const taken = done;
      done = [];
      return taken;
    },
    putBack: (claimIds) => void done.push(...claimIds),
  };
}
