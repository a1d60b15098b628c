import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import type { Backlog } from '../../src/metrics/backlog.ts';
import { createPrometheus } from '../../src/metrics/prometheus.ts';
import { readPrometheus } from '../support/prometheus.ts';

/** As much of Grafana's format (schema 39, Grafana 11) as a dashboard cannot do without. */
const panel = z.object({
  id: z.int(),
  type: z.enum(['row', 'timeseries', 'stat']),
  title: z.string().min(1),
  gridPos: z.object({ h: z.int().positive(), w: z.int().min(1).max(24), x: z.int().min(0).max(23), y: z.int().min(0) }),
  targets: z
    .array(
      z.object({
        refId: z.string().length(1),
        expr: z.string().min(1),
        legendFormat: z.string().min(1),
        datasource: z.object({ type: z.literal('prometheus'), uid: z.literal('${datasource}') }),
      }),
    )
    .default([]),
});
const dashboard = z.object({
  title: z.string(),
  uid: z.string().max(40),
  schemaVersion: z.literal(39),
  panels: z.array(panel),
  templating: z.object({ list: z.array(z.object({ name: z.string(), type: z.string() })) }),
});

const { panels, templating } = dashboard.parse(
  JSON.parse(readFileSync(new URL('../../docs/grafana.json', import.meta.url), 'utf8')),
);
const expressions = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));

const backlog: Backlog = {
  messages: { toRoute: 1, held: 0, oldestSeconds: 1 },
  deliveries: {
    due: 1,
    broken: 0,
    scheduled: 0,
    blocked: 0,
    held: 0,
    running: 0,
    awaiting: 0,
    dead: 0,
    oldestDueSeconds: 1,
  },
  targets: { closed: 1, open: 0, half_open: 0, paused: 0 },
};

/** Everything that `/metrics` can hold, with the name of each series: histograms have three. */
async function servedNames(): Promise<Set<string>> {
  const metrics = createPrometheus({
    backlog: async () => backlog,
    inboxQueued: () => 0,
    pool: () => ({ total: 2, idle: 1, waiting: 0 }),
    retention: () => ({ lagSeconds: 0, lastRunAt: null, error: null }),
  });
  const { families } = readPrometheus((await metrics.render())?.text ?? '');
  return new Set(
    [...families].flatMap(([name, type]) =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  );
}

function namesIn(expression: string): string[] {
  return [...expression.matchAll(/\b(?:postroom|process|nodejs)_\w+/g)].map(([name]) => name);
}

test('whatever the dashboard shows is served', async () => {
  const served = await servedNames();
  const shown = expressions.flatMap(namesIn);
  expect(shown.length).toBeGreaterThan(25);
  expect(shown.filter((name) => !served.has(name))).toEqual([]);
});

test('every metric of ours is shown', async () => {
  const shown = new Set(expressions.flatMap(namesIn).map((name) => name.replace(/_(?:bucket|sum|count)$/, '')));
  const served = [...(await servedNames())].map((name) => name.replace(/_(?:bucket|sum|count)$/, ''));
  expect([...new Set(served)].filter((name) => name.startsWith('postroom_') && !shown.has(name))).toEqual([]);
});

test('every expression chooses its jobs, every variable exists, and no panel covers another', () => {
  for (const expression of expressions) {
    expect(expression.match(/job=~"\$job"/g)?.length).toBe(namesIn(expression).length);
    expect([...expression].filter((c) => c === '(').length).toBe([...expression].filter((c) => c === ')').length);
  }
  expect(templating.list.map(({ name }) => name)).toEqual(['datasource', 'job']);
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const cells = panels.flatMap(({ gridPos: { h, w, x, y } }) => {
    expect(x + w).toBeLessThanOrEqual(24);
    return Array.from({ length: h * w }, (_unused, cell) => `${x + (cell % w)} ${y + Math.floor(cell / w)}`);
  });
  expect(new Set(cells).size).toBe(cells.length);
});
