import type { EventOutcome } from '../db/schema.ts';
import type { OutboxObserver } from '../outbox/observe.ts';
import type { RetentionStatus } from '../retention/loop.ts';
import type { RoutedBatch } from '../routing/router.ts';
import type { Backlog } from './backlog.ts';

/**
 * What is counted, as the rooms see it. Prometheus is one implementation (`prometheus.ts`); a home
 * without it counts nothing. Labels are what there are few of: provider, outcome, reason, handler
 * kind, state. Never a tenant, a channel or a target, of which there may be a hundred thousand.
 */
export interface Metrics {
  readonly ingest: IngestObserver;
  readonly routing: { batchEnded(batch: RoutedBatch, durationMs: number): void };
  readonly outbox: OutboxObserver;
  /** Everything in a format of its own; undefined where nothing is counted. */
  render(): Promise<Rendered | undefined>;
}

export interface IngestObserver {
  /** A verified request is booked in. */
  booked(provider: string, outcome: EventOutcome, messages: number, duplicates: number, durationMs: number): void;
  /** A request was refused. Without a channel its provider is `none`. */
  rejected(provider: string, reason: string): void;
  /** A verified request could not be booked in; the provider will come again. */
  failed(provider: string): void;
  /** Events that were committed together. */
  flushed(events: number): void;
}

export interface Rendered {
  readonly contentType: string;
  readonly text: string;
}

/** What is looked at when somebody reads the metrics, rather than counted as it happens. */
export interface MetricSources {
  readonly backlog: () => Promise<Backlog>;
  /** Events that wait for their commit. */
  readonly inboxQueued: () => number;
  /** Undefined where there is no pool. */
  readonly pool: (() => PoolState) | undefined;
  /** Undefined where this process has none. */
  readonly retention: (() => RetentionStatus) | undefined;
}

/** Connections to the database. */
export interface PoolState {
  readonly total: number;
  readonly idle: number;
  /** Queries that wait for a connection. */
  readonly waiting: number;
}

export type CreateMetrics = (sources: MetricSources) => Metrics;

/** Counts nothing. */
export const noMetrics: Metrics = {
  ingest: { booked() {}, rejected() {}, failed() {}, flushed() {} },
  routing: { batchEnded() {} },
  outbox: { claimed() {}, tryEnded() {}, calledBack() {}, leasesTakenBack() {} },
  render: async () => undefined,
};
