import type { Random } from './random.ts';

/** At which moment a server is killed. */
export type Kill =
  /** So long after the process was started; mostly it does not listen yet. */
  | { readonly when: 'starting'; readonly afterMs: number }
  /** So long after it listens. */
  | { readonly when: 'early' | 'loaded'; readonly afterMs: number }
  /** Right after the nth 2xx of the round was seen. */
  | { readonly when: 'acknowledged'; readonly count: number }
  /** When the targets have got the nth request of the round, before its answer or so long after it came. */
  | { readonly when: 'delivering'; readonly count: number; readonly afterMs: number };

/** Draws the kills of a run: every seed gives the same ones again. */
export function planKills(rounds: number, random: Random): Kill[] {
  return Array.from({ length: rounds }, () => planKill(random));
}

function planKill(random: Random): Kill {
  const when = random.pick(['starting', 'early', 'loaded', 'loaded', 'acknowledged', 'acknowledged', 'delivering']);
  switch (when) {
    case 'starting':
      return { when, afterMs: random.between(0, 900) };
    case 'early':
      return { when, afterMs: random.between(0, 60) };
    case 'acknowledged':
      return { when, count: random.between(1, 80) };
    case 'delivering':
      return { when, count: random.between(1, 60), afterMs: random.chance(0.5) ? 0 : random.between(1, 40) };
    default:
      return { when: 'loaded', afterMs: random.between(100, 600) };
  }
}

/** A kill in a few words, for reports. */
export function describeKill(kill: Kill): string {
  switch (kill.when) {
    case 'acknowledged':
      return `after acknowledgement ${kill.count}`;
    case 'delivering':
      return `${kill.afterMs} ms after request ${kill.count} at the targets`;
    default:
      return `${kill.when}, after ${kill.afterMs} ms`;
  }
}
