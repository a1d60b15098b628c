import { collectDefaultMetrics, Counter, Histogram, Registry } from 'prom-client';
import type { Metrics, MetricSources } from './metrics.ts';
import { registerGauges } from './prometheus-gauges.ts';

/** Seconds, from a fast target to one that is tried again for days. */
const runSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const waitSeconds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200, 43_200, 259_200];
const batchSizes = [1, 2, 5, 10, 20, 50, 100, 200, 500];

/**
 * Counts for Prometheus. The registry is this call's own, so that two apps in one process do not
 * count into each other. Times between processes are by their clocks and the database's: they are
 * as exact as those agree.
 */
export function createPrometheus(sources: MetricSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  registerGauges(registry, sources);

  const counter = <Label extends string>(name: string, help: string, labelNames: Label[] = []): Counter<Label> =>
    new Counter({ name, help, labelNames, registers });
  const histogram = <Label extends string>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: Label[] = [],
  ): Histogram<Label> => new Histogram({ name, help, buckets, labelNames, registers });

  const events = counter('postroom_events_total', 'Verified requests that were booked in.', ['provider', 'outcome']);
  const messages = counter('postroom_messages_total', 'Messages in them: new ones, and duplicates of earlier ones.', [
    'provider',
    'outcome',
  ]);
  const rejections = counter('postroom_rejections_total', 'Requests that were refused.', ['provider', 'reason']);
  const failures = counter(
    'postroom_ingest_failures_total',
    'Verified requests that could not be booked in; they were answered 503.',
    ['provider'],
  );
  const ingestSeconds = histogram(
    'postroom_ingest_duration_seconds',
    'From a verified request to its commit.',
    runSeconds,
  );
  const inboxBatch = histogram('postroom_inbox_batch_events', 'Events that were committed together.', batchSizes);

  const routingBatch = histogram('postroom_routing_batch_messages', 'Messages that were routed together.', batchSizes);
  const routingSeconds = histogram(
    'postroom_routing_batch_duration_seconds',
    'How long it took to route a batch.',
    runSeconds,
  );
  const decisions = counter('postroom_routing_decisions_total', 'Messages by what routing decided.', ['status']);

  const claims = counter('postroom_deliveries_claimed_total', 'Deliveries that workers of this process have taken.');
  const attempts = counter('postroom_attempts_total', 'Tries of deliveries by how they ended.', ['handler', 'outcome']);
  const attemptSeconds = histogram('postroom_attempt_duration_seconds', 'How long tries took.', runSeconds, [
    'handler',
  ]);
  const latency = histogram(
    'postroom_delivery_latency_seconds',
    'From when a try was due to its end: waiting for a worker, and running.',
    waitSeconds,
    ['handler'],
  );
  const endToEnd = histogram(
    'postroom_end_to_end_seconds',
    'From a message’s arrival to the answer of the target that took it, tries before it included; replays are left out.',
    waitSeconds,
    ['handler'],
  );
  const callbacks = counter('postroom_callbacks_total', 'Deliveries that awaited a callback, by what came of it.', [
    'outcome',
  ]);
  const leases = counter(
    'postroom_leases_taken_back_total',
    'Deliveries that were taken back from workers that gave no sign of life.',
  );

  return {
    ingest: {
      booked(provider, outcome, fresh, duplicates, durationMs) {
        events.inc({ provider, outcome });
        if (fresh > 0) messages.inc({ provider, outcome: 'new' }, fresh);
        if (duplicates > 0) messages.inc({ provider, outcome: 'duplicate' }, duplicates);
        ingestSeconds.observe(durationMs / 1000);
      },
      rejected: (provider, reason) => rejections.inc({ provider, reason }),
      failed: (provider) => failures.inc({ provider }),
      flushed: (count) => inboxBatch.observe(count),
    },
    routing: {
      batchEnded(batch, durationMs) {
        if (batch.messages === 0) return;
        routingBatch.observe(batch.messages);
        routingSeconds.observe(durationMs / 1000);
        for (const { decision } of batch.decided) decisions.inc({ status: decision.status });
      },
    },
    outbox: {
      claimed: (count) => claims.inc(count),
      tryEnded({ work, outcome, counted, durationMs, endedAt }) {
        const handler = work.claim.handler_kind;
        attempts.inc({ handler, outcome: counted ? outcome : 'superseded' });
        attemptSeconds.observe({ handler }, durationMs / 1000);
        if (!counted) return;
        latency.observe({ handler }, secondsBetween(work.claim.run_at, endedAt));
        const isAnswered = outcome === 'succeeded' || outcome === 'awaiting';
        if (!isAnswered || work.claim.replay_of !== null || !work.message) return;
        endToEnd.observe({ handler }, secondsBetween(work.message.created_at, endedAt));
      },
      calledBack: (outcome) => callbacks.inc({ outcome }),
      leasesTakenBack: (count) => leases.inc(count),
    },
    async render() {
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

/** Never below nothing: the two clocks may be another machine's. */
function secondsBetween(from: Date, to: Date): number {
  return Math.max(0, to.getTime() - from.getTime()) / 1000;
}
