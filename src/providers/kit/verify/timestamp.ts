import type { Verdict } from '../../../provider.ts';
import { dateFromIso } from '../fields.ts';
import { accepted, refused } from '../signature.ts';

/**
 * How many seconds a signed time may be off: either way, or each way (`early`: from the future).
 * Several SDKs refuse only what is too old; a window on both sides is stricter and safe.
 */
export type Tolerance = number | { readonly early: number; readonly late: number };

/**
 * Checks a timestamp in whole seconds against the clock. A leading zero is refused: it could be the
 * body's last digit where the time is signed right behind it.
 */
export function checkTimestamp(text: string, now: Date, tolerance: Tolerance): Verdict {
  if (!/^[1-9][0-9]{0,11}$/.test(text)) return refused('bad_timestamp');
  return checkMillis(Number(text) * 1000, now, tolerance);
}

/** The same for milliseconds since 1970. */
export function checkMillis(millis: number, now: Date, tolerance: Tolerance): Verdict {
  const { early, late } = typeof tolerance === 'number' ? { early: tolerance, late: tolerance } : tolerance;
  const age = now.getTime() - millis;
  return age >= -early * 1000 && age <= late * 1000 ? accepted : refused('stale_timestamp');
}

/** How a sender writes the time that it signs: seconds or milliseconds since 1970, or ISO 8601. */
export type TimestampUnit = 's' | 'ms' | 'iso';

/** `checkTimestamp` for a time in any of the units. ISO 8601 must name its zone. */
export function checkTimestampIn(unit: TimestampUnit, text: string, now: Date, tolerance: Tolerance): Verdict {
  if (unit === 's') return checkTimestamp(text, now, tolerance);
  const millis = unit === 'iso' ? dateFromIso(text)?.getTime() : readMillis(text);
  return millis === undefined ? refused('bad_timestamp') : checkMillis(millis, now, tolerance);
}

function readMillis(text: string): number | undefined {
  return /^[1-9][0-9]{0,14}$/.test(text) ? Number(text) : undefined;
}
