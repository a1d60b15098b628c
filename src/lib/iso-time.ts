const twoDigits = Array.from({ length: 60 }, (_, n) => String(n).padStart(2, '0'));
const threeDigits = Array.from({ length: 1_000 }, (_, n) => String(n).padStart(3, '0'));
const dayMs = 86_400_000;
let day = Number.NaN;
let dayText = '';

/**
 * The same as `toISOString`, several times as fast where moments of one day follow each other: a try
 * shows three of them, and to write these took as long as half of all else that it does.
 *
 * @throws RangeError for a date that is none.
 */
export function isoOf(date: Date): string {
  const time = date.getTime();
  const itsDay = Math.floor(time / dayMs);
  if (itsDay !== day) {
    dayText = date.toISOString().slice(0, -13);
    day = itsDay;
  }
  const seconds = Math.floor((time - itsDay * dayMs) / 1_000);
  const minutes = Math.floor(seconds / 60);
  const [hh, mm, ss] = [twoDigits[Math.floor(minutes / 60)], twoDigits[minutes % 60], twoDigits[seconds % 60]];
  return `${dayText}${hh}:${mm}:${ss}.${threeDigits[time - itsDay * dayMs - seconds * 1_000]}Z`;
}
