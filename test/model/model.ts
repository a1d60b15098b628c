import type { Lane } from './world.ts';

/** A delivery as the model has it. */
export interface ModelDelivery {
  readonly id: string;
  readonly messageId: string;
  readonly lane: Lane;
  readonly key: string | null;
  /** The place of its message among all that arrived. */
  readonly arrival: number;
  readonly isReplay: boolean;
  state: 'pending' | 'running' | 'awaiting' | 'succeeded' | 'dead' | 'cancelled';
  blocked: boolean;
  holdsKey: boolean;
  fence: number;
  attempts: number;
  /** Whether its time has come. */
  due: boolean;
  /** What was called back and has not counted yet. */
  callback: CallbackStatus | null;
  onDeadline: 'retry' | 'dead' | null;
}
export type CallbackStatus = 'succeeded' | 'failed' | 'retry';

/** What should be so. */
export interface Model {
  readonly deliveries: ModelDelivery[];
  readonly paused: Set<Lane>;
  /** Originals, in the order of their first claim, and in the order in which they succeeded. */
  readonly started: ModelDelivery[];
  readonly succeeded: ModelDelivery[];
  /** Messages of which some delivery has succeeded at any time. */
  readonly processed: Set<string>;
  arrivals: number;
  /** Commands that were played, for the report. */
  played: number;
}

export function createModel(): Model {
  return {
    deliveries: [],
    paused: new Set(),
    started: [],
    succeeded: [],
    processed: new Set(),
    arrivals: 0,
    played: 0,
  };
}

export const isLive = ({ state }: ModelDelivery): boolean => ['pending', 'running', 'awaiting'].includes(state);

/** Whether a worker may claim it now. */
export function isClaimable(model: Model, delivery: ModelDelivery): boolean {
  return delivery.state === 'pending' && !delivery.blocked && delivery.due && !model.paused.has(delivery.lane);
}

/** Adds what arrived, or a replay. With a key it waits where another of the key has not ended, or holds it. */
export function add(
  model: Model,
  given: Pick<ModelDelivery, 'id' | 'messageId' | 'lane' | 'key' | 'arrival' | 'isReplay'>,
): ModelDelivery {
  const ofKey = model.deliveries.filter(({ key }) => key !== null && key === given.key);
  const delivery: ModelDelivery = {
    ...given,
    state: 'pending',
    blocked: ofKey.some((one) => isLive(one) || one.holdsKey),
    holdsKey: false,
    fence: 0,
    attempts: 0,
    due: true,
    callback: null,
    onDeadline: null,
  };
  model.deliveries.push(delivery);
  return delivery;
}

/** Where none of a key's deliveries may run, and no dead one holds it, the one that arrived first may. */
export function letNextGo(model: Model, key: string | null): void {
  const ofKey = model.deliveries.filter((one) => key !== null && one.key === key);
  const live = ofKey.filter(isLive);
  if (ofKey.some((one) => one.holdsKey) || live.some((one) => !one.blocked)) return;
  const [next] = live.toSorted((a, b) => a.arrival - b.arrival || (a.id < b.id ? -1 : 1));
  if (next) next.blocked = false;
}

/** A claim: the fence and the number of tries go up, and what an earlier run was called back is forgotten. */
export function start(model: Model, delivery: ModelDelivery): void {
  if (delivery.fence === 0 && !delivery.isReplay) model.started.push(delivery);
  delivery.state = 'running';
  delivery.fence += 1;
  delivery.attempts += 1;
  delivery.callback = null;
}

export type Outcome = 'succeeded' | 'retry' | 'later' | 'dead' | 'awaiting';

/** A try's end, by its worker, a callback or a deadline. */
export function end(model: Model, delivery: ModelDelivery, outcome: Outcome, onDeadline: 'retry' | 'dead' = 'retry') {
  delivery.state = outcome === 'retry' || outcome === 'later' ? 'pending' : outcome;
  delivery.due = outcome !== 'later';
  delivery.onDeadline = outcome === 'awaiting' ? onDeadline : null;
  if (outcome !== 'awaiting') delivery.callback = null;
  if (outcome === 'dead') delivery.holdsKey = delivery.lane === 'holding';
  if (outcome === 'succeeded') {
    model.processed.add(delivery.messageId);
    if (!delivery.isReplay) model.succeeded.push(delivery);
  }
  letNextGo(model, delivery.key);
}

/** What was called back takes effect. */
export function settle(model: Model, delivery: ModelDelivery): void {
  const outcomes = { succeeded: 'succeeded', failed: 'dead', retry: 'retry' } as const;
  if (delivery.callback) end(model, delivery, outcomes[delivery.callback]);
}
