import type { Verdict } from '../../provider.ts';
import { dateFromIso } from './fields.ts';
import { checkMillis, checkTimestamp, refused } from './signature.ts';

/** How a sender writes the time that it signs: seconds or milliseconds since 1970, or ISO 8601. */
export type TimestampUnit = 's' | 'ms' | 'iso';

/** `checkTimestamp` for a time in any of the units. ISO 8601 must name its zone. */
export function checkTimestampIn(unit: TimestampUnit, text: string, now: Date, toleranceSeconds: number): Verdict {
  if (unit === 's') return checkTimestamp(text, now, toleranceSeconds);
  const millis = unit === 'iso' ? dateFromIso(text)?.getTime() : readMillis(text);
  return millis === undefined ? refused('bad_timestamp') : checkMillis(millis, now, toleranceSeconds);
}

function readMillis(text: string): number | undefined {
  return /^[1-9][0-9]{0,14}$/.test(text) ? Number(text) : undefined;
}
