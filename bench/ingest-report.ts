import type { LoadResult } from './ingest-load.ts';
import type { ServerOptions } from './ingest-processes.ts';
import { formatTable, median } from './table.ts';

/** One variant at one number of connections in one round. */
export interface Measurement extends LoadResult, Pick<ServerOptions, 'way' | 'on'> {
  readonly round: number;
  readonly connections: number;
}

/** What grouped ingest on PostgreSQL at 64 connections is to reach: a prototype did. */
const bars = [
  { against: 'ceiling', least: 0.9 },
  { against: 'naive', least: 4 },
] as const;

/**
 * The table and the bars, as text. Rates and latencies are medians over the rounds; a ratio is the
 * median of the rounds' own ratios, so that a slow moment of the machine weighs on both sides.
 */
export function summarize(measurements: readonly Measurement[]): string {
  const groups = Map.groupBy(measurements, ({ way, on, connections }) => `${way}|${on}|${connections}`);
  const rows = [...groups.values()].map((group) => {
    const { way, on, connections } = group[0] as Measurement;
    return [
      way,
      on,
      String(connections),
      median(group.map((one) => one.requestsPerSecond)).toFixed(0),
      ratio(measurements, group, 'ceiling')?.toFixed(2) ?? '',
      ratio(measurements, group, 'turns')?.toFixed(2) ?? '',
      ratio(measurements, group, 'naive')?.toFixed(2) ?? '',
      median(group.map((one) => one.p50Ms)).toFixed(1),
      median(group.map((one) => one.p99Ms)).toFixed(1),
      String(group.reduce((sum, one) => sum + one.failures, 0)),
    ];
  });
  const columns = [
    'way',
    'on',
    'connections',
    'requests/s',
    '/ ceiling',
    '/ turns',
    '/ naive',
    'p50 ms',
    'p99 ms',
    'non-2xx',
  ];
  const load = Math.max(...measurements.map((one) => one.ownCore));
  return [
    ...formatTable([columns, ...rows], 2),
    '',
    'ceiling: verify and parse, no database, each request by itself; turns: the same, requests that arrive together',
    'taken together, as the service does it.',
    `The load generator used ${load.toFixed(2)} of one core at most.`,
    ...bars.map(({ against, least }) => judge(measurements, against, least)),
  ].join('\n');
}

/** How a group compares with another way at the same connections; the naive way on the same database. */
function ratio(
  measurements: readonly Measurement[],
  group: readonly Measurement[],
  against: 'ceiling' | 'turns' | 'naive',
): number | undefined {
  const ratios = group.flatMap((one) => {
    if (one.way === against || one.on === 'no database') return [];
    const other = measurements.find(
      ({ way, on, round, connections }) =>
        way === against &&
        round === one.round &&
        connections === one.connections &&
        (on === 'no database' || on === one.on),
    );
    return other ? [one.requestsPerSecond / other.requestsPerSecond] : [];
  });
  return ratios.length > 0 ? median(ratios) : undefined;
}

function judge(measurements: readonly Measurement[], against: 'ceiling' | 'turns' | 'naive', least: number): string {
  const group = measurements.filter(
    ({ way, on, connections }) => way === 'grouped' && on === 'PostgreSQL' && connections === 64,
  );
  const value = ratio(measurements, group, against);
  const bar = `grouped / ${against} on PostgreSQL at 64 connections, at least ${least.toFixed(1)}:`;
  if (value === undefined) return `${bar} not measured`;
  return `${bar} ${value >= least ? 'reached' : 'missed'} with ${value.toFixed(2)}`;
}
