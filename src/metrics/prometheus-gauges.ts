import { Gauge, type Registry } from 'prom-client';
import type { Backlog } from './backlog.ts';
import type { MetricSources } from './metrics.ts';

/** Registers what is looked at when somebody reads the metrics. */
export function registerGauges(registry: Registry, sources: MetricSources): void {
  const registers = [registry];

  // One look for all of them, however many gauges ask: the reader remembers it for some seconds.
  const look = async (): Promise<Backlog | undefined> => await sources.backlog().catch(() => undefined);

  /** A gauge per state. Where the database cannot be asked it has no value, which is not the same as 0. */
  const byState = (name: string, help: string, read: (backlog: Backlog) => Record<string, number | null>): void => {
    void new Gauge({
      name,
      help,
      labelNames: ['state'],
      registers,
      async collect() {
        const backlog = await look();
        this.reset();
        for (const [state, value] of Object.entries(backlog ? read(backlog) : {})) {
          if (value !== null) this.set({ state }, value);
        }
      },
    });
  };

  byState('postroom_backlog_messages', 'Messages that wait for routing, up to 10,000.', ({ messages }) => ({
    to_route: messages.toRoute,
    held: messages.held,
  }));
  byState(
    'postroom_backlog_deliveries',
    'Deliveries that have not succeeded, by what they wait for, up to 10,000 each.',
    ({ deliveries: { oldestDueSeconds: _age, ...states } }) => states,
  );
  byState(
    'postroom_backlog_oldest_seconds',
    'How long the oldest has waited: a message to be routed, a delivery that is due.',
    ({ messages, deliveries }) => ({
      to_route: messages.oldestSeconds ?? 0,
      due: deliveries.oldestDueSeconds ?? 0,
    }),
  );
  byState('postroom_targets', 'Targets by the state of their breaker, or paused.', ({ targets }) => ({ ...targets }));

  void new Gauge({
    name: 'postroom_database_up',
    help: 'Whether the database answered when this was read.',
    registers,
    async collect() {
      this.set((await look()) === undefined ? 0 : 1);
    },
  });
  void new Gauge({
    name: 'postroom_inbox_queued_events',
    help: 'Verified requests that wait for their commit.',
    registers,
    collect() {
      this.set(sources.inboxQueued());
    },
  });
  if (sources.pool) registerPool(registry, sources.pool);
  if (sources.retention) registerRetention(registry, sources.retention);
}

function registerPool(registry: Registry, pool: NonNullable<MetricSources['pool']>): void {
  void new Gauge({
    name: 'postroom_database_connections',
    help: 'Connections to PostgreSQL by state.',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      const { total, idle } = pool();
      this.set({ state: 'idle' }, idle);
      this.set({ state: 'used' }, total - idle);
    },
  });
  void new Gauge({
    name: 'postroom_database_waiting',
    help: 'Queries that wait for a connection.',
    registers: [registry],
    collect() {
      this.set(pool().waiting);
    },
  });
}

function registerRetention(registry: Registry, status: NonNullable<MetricSources['retention']>): void {
  void new Gauge({
    name: 'postroom_retention_lag_seconds',
    help: 'For how long the oldest of what should be gone should have been; 0: nothing is late.',
    registers: [registry],
    collect() {
      this.set(status().lagSeconds);
    },
  });
  void new Gauge({
    name: 'postroom_retention_failing',
    help: 'Whether something went wrong in the last round of retention.',
    registers: [registry],
    collect() {
      this.set(status().error === null ? 0 : 1);
    },
  });
}
