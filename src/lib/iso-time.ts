const secondTexts = Array.from({ length: 60 }, (_, n) => `${String(n).padStart(2, '0')}.`);
const millisecondTexts = Array.from({ length: 1_000 }, (_, n) => `${String(n).padStart(3, '0')}Z`);
const minuteMs = 60_000;
let minute = Number.NaN;
let minuteText = '';

/**
 * The same as `toISOString`, several times as fast where moments of one minute follow each other: a
 * try shows three of them, and to write these took as long as half of all else that it does.
 *
 * @throws RangeError for a date that is none.
 */
export function isoOf(date: Date): string {
  const time = date.getTime();
  const itsMinute = Math.floor(time / minuteMs);
  if (itsMinute !== minute) {
    minuteText = date.toISOString().slice(0, -7);
    minute = itsMinute;
  }
  const rest = time - itsMinute * minuteMs;
  const seconds = Math.floor(rest / 1_000);
  return minuteText + ((secondTexts[seconds] as string) + (millisecondTexts[rest - seconds * 1_000] as string));
}
