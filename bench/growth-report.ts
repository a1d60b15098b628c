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

/** One turn of a step and of the small size beside it. */
export interface Round {
  readonly step: string;
  readonly small: Costs;
  readonly grown: Costs;
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
export function growthTable(small: Size, steps: readonly Step[], rounds: readonly Round[], pending: number): string {
  const of = (step: string): Round[] => rounds.filter((one) => one.step === step);
  const ratio = (step: string, part: keyof Costs): number =>
    median(of(step).map((one) => one.grown[part] / one.small[part]));
  const row = (name: string, { links, routes, finished }: Size, cells: readonly string[]): string[] => [
    name,
    ...[links, routes, finished].map((count) => count.toLocaleString('en')),
    ...cells,
  ];
  const rows = [
    row(
      smallName,
      small,
      parts.flatMap((part) => [median(rounds.map((one) => one.small[part])).toFixed(0), '']),
    ),
    ...steps.map(({ name, size }) =>
      row(
        name,
        size,
        parts.flatMap((part) => [
          median(of(name).map((one) => one.grown[part])).toFixed(0),
          ratio(name, part).toFixed(2),
        ]),
      ),
    ),
  ];
  const columns = ['', 'links', 'routes', 'finished', ...parts.flatMap((part) => [`${part} µs`, `/ ${smallName}`])];
  return [
    ...formatTable([columns, ...rows]),
    '',
    `µs per message, or per delivery, in full batches; ${pending.toLocaleString('en')} deliveries are due all the time.`,
    ...steps.flatMap(({ name }) =>
      parts.map((part) => {
        const value = ratio(name, part);
        return `${part} with ${name}, at most ${most}: ${value <= most ? 'reached' : 'missed'} with ${value.toFixed(2)}`;
      }),
    ),
  ].join('\n');
}
