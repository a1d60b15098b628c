import { formatTable, median } from './table.ts';

/** What a world holds. */
export interface Size {
  readonly links: number;
  readonly routes: number;
  readonly finished: number;
}

export interface Step {
  readonly name: string;
  readonly size: Size;
}

/** Microseconds per message, or per delivery. */
export interface Costs {
  readonly ingest: number;
  readonly route: number;
  readonly claim: number;
  readonly complete: number;
}

export interface Measurement extends Costs {
  readonly step: string;
  readonly round: number;
}

/** The step that the others are compared with. */
export const smallName = 'small';

const parts = ['ingest', 'route', 'claim', 'complete'] as const satisfies (keyof Costs)[];

/** What counts as flat. */
const most = 1.3;

/**
 * The table and the bars, as text. A cost is the median over the rounds; a ratio is the median of the
 * rounds' own ratios to the small size, so that a slow moment of the machine weighs on both.
 */
export function growthTable(steps: readonly Step[], measurements: readonly Measurement[], pending: number): string {
  const of = (step: string): Measurement[] => measurements.filter((one) => one.step === step);
  const cost = (step: string, part: keyof Costs): number => median(of(step).map((one) => one[part]));
  const ratio = (step: string, part: keyof Costs): number =>
    median(
      of(step).map((one) => {
        const base = of(smallName).find(({ round }) => round === one.round);
        return one[part] / (base?.[part] ?? Number.NaN);
      }),
    );
  const rows = steps.map(({ name, size }) => [
    name,
    ...[size.links, size.routes, size.finished].map((count) => count.toLocaleString('en')),
    ...parts.flatMap((part) => [cost(name, part).toFixed(0), name === smallName ? '' : ratio(name, part).toFixed(2)]),
  ]);
  const columns = ['', 'links', 'routes', 'finished', ...parts.flatMap((part) => [`${part} µs`, `/ ${smallName}`])];
  const grown = steps.filter(({ name }) => name !== smallName);
  return [
    ...formatTable([columns, ...rows]),
    '',
    `µs per message, or per delivery, in full batches; ${pending.toLocaleString('en')} deliveries are due all the time.`,
    ...grown.flatMap(({ name }) =>
      parts.map((part) => {
        const value = ratio(name, part);
        return `${part} with ${name}, at most ${most}: ${value <= most ? 'reached' : 'missed'} with ${value.toFixed(2)}`;
      }),
    ),
  ].join('\n');
}
