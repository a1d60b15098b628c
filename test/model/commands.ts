import fc from 'fast-check';
import { expect } from 'vitest';
import { callbackToken } from '../../src/outbox/callback-token.ts';
import { expireAwaiting, receiveCallback, settleCallbacks } from '../../src/outbox/callbacks.ts';
import { cancelDelivery } from '../../src/outbox/cancel.ts';
import { type Claim } from '../../src/outbox/claim.ts';
import { reapExpiredLeases, releaseClaims, renewLeases, sweepExpiredLeases } from '../../src/outbox/leases.ts';
import { replayDelivery } from '../../src/outbox/deliveries.ts';
import { purgeDeliveries } from '../../src/outbox/purge.ts';
import { updateTarget } from '../../src/outbox/targets.ts';
import { expectAgreement } from './check.ts';
import {
  add,
  end,
  isClaimable,
  isLive,
  letNextGo,
  settle,
  start,
  type CallbackStatus,
  type Model,
  type ModelDelivery,
  type Outcome,
} from './model.ts';
import { lanes, type DeliveryRow, type Lane, type World } from './world.ts';

/** The real outbox, and what its workers hold. */
export interface Real {
  readonly world: World;
  /** The latest claim of each delivery, with its worker. */
  readonly claims: Map<string, { readonly claim: Claim; readonly worker: string }>;
  /** Claims that were lost: what their workers still say must change nothing. */
  readonly lost: { readonly claim: Claim; readonly worker: string }[];
}

export type Command = fc.AsyncCommand<Model, Real>;

/** A command that is played where there is something for it, and followed by a comparison. */
function command(
  name: string,
  check: (model: Model) => boolean,
  play: (model: Model, real: Real) => Promise<void>,
): Command {
  return {
    check,
    async run(model, real) {
      model.played += 1;
      await play(model, real);
      await expectAgreement(model, real.world);
    },
    toString: () => name,
  };
}

type Wanted = (delivery: ModelDelivery, model: Model) => boolean;

/** A command about one delivery of those that are wanted; `pick` says which. */
function about(
  name: string,
  pick: number,
  wanted: Wanted,
  play: (delivery: ModelDelivery, model: Model, real: Real) => Promise<void>,
): Command {
  const choose = (model: Model): ModelDelivery | undefined => {
    const choices = model.deliveries.filter((delivery) => wanted(delivery, model));
    return choices[pick % Math.max(1, choices.length)];
  };
  return command(
    `${name}(${pick})`,
    (model) => choose(model) !== undefined,
    (model, real) => play(choose(model) as ModelDelivery, model, real),
  );
}

const inState =
  (...states: ModelDelivery['state'][]): Wanted =>
  ({ state }) =>
    states.includes(state);
const held = (real: Real, { id }: ModelDelivery) => {
  const one = real.claims.get(id);
  if (!one) throw new Error('nobody holds it');
  return one;
};
const lose = (real: Real, delivery: ModelDelivery): void => void real.lost.push(held(real, delivery));
const known = (model: Model, id: string): ModelDelivery => {
  const delivery = model.deliveries.find((one) => one.id === id);
  if (!delivery) throw new Error(`an unknown delivery: ${id}`);
  return delivery;
};
/** A retry's delay is at most a millisecond here. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 3));

const arrive = (lane: Lane, threads: readonly number[]): Command =>
  command(
    `arrive(${lane}, [${threads.join()}])`,
    () => true,
    async (model, { world }) => {
      await world.arrive(lane, threads.map(String));
      const isNew = (row: DeliveryRow) => !model.deliveries.some(({ id }) => id === row.id);
      const rows = (await world.deliveries()).filter(isNew);
      expect(rows).toHaveLength(threads.length);
      for (const [index, { id, messageId, key }] of rows.entries()) {
        expect(key === null).toBe(lane === 'free');
        if (key !== null) expect(key.endsWith(`:t:${threads[index]}`)).toBe(true);
        model.arrivals += 1;
        add(model, { id, messageId, lane, key, arrival: model.arrivals, isReplay: false });
      }
    },
  );

/** One worker claims, or two at once. */
const claim = (workers: readonly string[], free: number): Command =>
  command(
    `claim(${workers.join()}, ${free})`,
    () => true,
    async (model, real) => {
      const claimable = model.deliveries.filter((one) => isClaimable(model, one));
      const claims = await Promise.all(
        workers.map(async (worker, index) =>
          (await real.world.claim(worker, free, index > 0)).map((one) => ({ claim: one, worker })),
        ),
      );
      const all = claims.flat();
      expect(new Set(all.map((one) => one.claim.id)).size, 'claimed twice').toBe(all.length);
      expect(all.length, 'nothing was claimed').toBeGreaterThanOrEqual(Math.min(1, claimable.length));
      for (const one of claims) expect(one.length).toBeLessThanOrEqual(free);
      for (const one of all) {
        const delivery = known(model, one.claim.id);
        expect(claimable, 'must not run now').toContain(delivery);
        start(model, delivery);
        expect(one.claim).toMatchObject({ attempts: delivery.attempts, fence: String(delivery.fence) });
        real.claims.set(delivery.id, one);
      }
    },
  );

interface End {
  readonly pick: number;
  readonly outcome: Outcome;
  readonly onDeadline: 'retry' | 'dead';
}

const ended = ({ outcome, onDeadline }: End, { lane }: ModelDelivery) =>
  ({
    outcome: outcome === 'later' ? 'retry' : outcome,
    delayMs: outcome === 'later' || outcome === 'awaiting' ? 3_600_000 : 0,
    onDeadline: outcome === 'awaiting' ? onDeadline : null,
    holdsKey: outcome === 'dead' && lane === 'holding',
  }) as const;

/** Up to three runs end in one commit. `dies`: the worker, before it looks what was called back meanwhile. */
const finish = (ends: readonly End[], dies: boolean): Command =>
  command(
    `end(${ends.map(({ pick, outcome }) => `${pick} ${outcome}`).join()}${dies ? ', and dies' : ''})`,
    (model) => model.deliveries.some(({ state }) => state === 'running'),
    async (model, real) => {
      const chosen = new Map<ModelDelivery, End>();
      for (const one of ends) {
        const rest = model.deliveries.filter((other) => other.state === 'running' && !chosen.has(other));
        const delivery = rest[one.pick % Math.max(1, rest.length)];
        if (delivery) chosen.set(delivery, one);
      }
      const entries = [...chosen];
      const counted = await real.world.endAll(
        entries.map(([delivery, how]) => ({ ...held(real, delivery), ended: ended(how, delivery) })),
      );
      for (const [index, [delivery, how]] of entries.entries()) {
        expect(counted[index]?.counted).toBe(true);
        end(model, delivery, how.outcome, how.onDeadline);
        if (how.outcome !== 'awaiting' || delivery.callback === null) continue;
        expect(counted[index]?.callback).toMatchObject({ status: delivery.callback });
        if (dies) continue;
        await settleCallbacks(real.world.db, [
          { claim: held(real, delivery).claim, callback: counted[index]?.callback },
        ]);
        settle(model, delivery);
      }
      await pause();
    },
  );

const loseLease = (pick: number): Command =>
  about('loseLease', pick, inState('running'), async (delivery, _model, real) => {
    await real.world.pass(delivery.id, 'lease_until');
    expect(await reapExpiredLeases(real.world.db)).toBe(1);
    lose(real, delivery);
    Object.assign(delivery, { state: 'pending', due: true });
  });

/** The only process there is starts again. */
const restart = (): Command =>
  command(
    'restart',
    (model) => model.deliveries.some(({ state }) => state === 'running'),
    async (model, real) => {
      const running = model.deliveries.filter(({ state }) => state === 'running');
      expect(await sweepExpiredLeases(real.world.db, true)).toBe(running.length);
      for (const delivery of running) {
        lose(real, delivery);
        Object.assign(delivery, { state: 'pending', due: true });
      }
    },
  );

const release = (pick: number): Command =>
  about('release', pick, inState('running'), async (delivery, _model, real) => {
    await releaseClaims(real.world.db, [held(real, delivery).claim]);
    lose(real, delivery);
    delivery.state = 'pending';
    delivery.attempts -= 1;
  });

const renew = (pick: number): Command =>
  about('renew', pick, inState('running'), async (delivery, _model, real) => {
    const { claim: own, worker } = held(real, delivery);
    const lost = real.lost.map((one) => one.claim);
    expect(await renewLeases(real.world.db, worker, [own, ...lost], 3_600)).toEqual(new Set([delivery.id]));
  });

/** A worker that lost its lease says how its run ended, or its target calls back. */
const comeLate = (pick: number, how: End, callsBack: boolean): Command =>
  command(
    `comeLate(${pick} ${callsBack ? 'callback' : how.outcome})`,
    () => true,
    async (model, { world, lost }) => {
      const one = lost[pick % Math.max(1, lost.length)];
      if (!one) return;
      const delivery = model.deliveries.find(({ id }) => id === one.claim.id);
      if (!delivery) return;
      // Taken back and not claimed again: a callback's URL is the latest still, but nothing awaits it.
      if (callsBack) {
        await expect(callBack(world, one.claim, 'succeeded')).rejects.toMatchObject({ code: 'conflict' });
      } else {
        expect(await world.end(one.claim, one.worker, ended(how, delivery))).toMatchObject({ counted: false });
      }
    },
  );

async function callBack(world: World, given: Claim, status: CallbackStatus): Promise<void> {
  const { sealer } = world.app.app.services;
  await receiveCallback(world.db, sealer, callbackToken(sealer, given), { status });
}

const receive = (pick: number, status: CallbackStatus): Command =>
  about(`callback ${status}`, pick, inState('running', 'awaiting'), async (delivery, model, real) => {
    const { claim: given } = held(real, delivery);
    if (delivery.callback !== null) {
      await expect(callBack(real.world, given, status)).rejects.toMatchObject({ code: 'conflict' });
      return;
    }
    await callBack(real.world, given, status);
    delivery.callback = status;
    if (delivery.state === 'awaiting') settle(model, delivery);
    await pause();
  });

/** What any worker does at every beat: deadlines, and callbacks that nobody has settled. */
const beat = (pick: number, passes: boolean): Command =>
  command(
    `beat(${passes ? `after the deadline of ${pick}` : ''})`,
    (model) => model.deliveries.some(({ state }) => state === 'awaiting'),
    async (model, { world }) => {
      const awaiting = model.deliveries.filter(({ state }) => state === 'awaiting');
      const late = awaiting[pick % awaiting.length] as ModelDelivery;
      if (passes) await world.pass(late.id, 'run_at');
      await expireAwaiting(world.db);
      for (const delivery of awaiting) {
        if (delivery.callback !== null) settle(model, delivery);
        else if (passes && delivery === late) end(model, delivery, delivery.onDeadline ?? 'retry');
      }
      await pause();
    },
  );

const wait = (pick: number): Command =>
  about(
    'wait',
    pick,
    ({ state, due }) => state === 'pending' && !due,
    async (delivery, _model, { world }) => {
      await world.pass(delivery.id, 'run_at');
      delivery.due = true;
    },
  );

const replay = (pick: number): Command =>
  about(
    'replay',
    pick,
    (delivery) => !isLive(delivery),
    async (delivery, model, { world }) => {
      const made = await replayDelivery(world.db, world.app.tenantId, delivery.id);
      delivery.holdsKey = false;
      const { messageId, lane, key, arrival } = delivery;
      add(model, { id: made.id, messageId, lane, key, arrival, isReplay: true });
      letNextGo(model, key);
    },
  );

const cancel = (pick: number): Command =>
  about(
    'cancel',
    pick,
    () => true,
    async (delivery, model, { world }) => {
      const cancelled = cancelDelivery(world.db, world.app.tenantId, delivery.id);
      if (delivery.state !== 'pending' && delivery.state !== 'awaiting') {
        await expect(cancelled).rejects.toMatchObject({ code: 'conflict' });
        return;
      }
      await cancelled;
      Object.assign(delivery, { state: 'cancelled', blocked: false });
      letNextGo(model, delivery.key);
    },
  );

const purge = (pick: number): Command =>
  about(
    'purge',
    pick,
    (delivery) => !isLive(delivery),
    async (delivery, model, { world }) => {
      const { id, key, holdsKey } = delivery;
      const row = { tenant_id: world.app.tenantId, id, ordering_key: key, holds_key: holdsKey };
      const purged = world.db.transaction().execute((trx) => purgeDeliveries(trx, world.app.tenantId, [row]));
      expect(await purged).toBe(1);
      model.deliveries.splice(model.deliveries.indexOf(delivery), 1);
      letNextGo(model, key);
    },
  );

const turn = (lane: Lane): Command =>
  command(
    `pause or resume(${lane})`,
    () => true,
    async (model, { world }) => {
      const isPaused = model.paused.has(lane);
      const status = isPaused ? 'active' : 'paused';
      await updateTarget(world.db, world.app.tenantId, world.targetIds[lane], { status });
      if (isPaused) model.paused.delete(lane);
      else model.paused.add(lane);
    },
  );

const pick = fc.nat({ max: 99 });
const lane = fc.constantFrom(...lanes);
const status = fc.constantFrom<CallbackStatus>('succeeded', 'failed', 'retry');
const how = fc.record<End>({
  pick,
  outcome: fc.constantFrom<Outcome>('succeeded', 'succeeded', 'retry', 'later', 'dead', 'awaiting', 'awaiting'),
  onDeadline: fc.constantFrom('retry', 'dead'),
});

/** Plays of these commands. Those that make and run deliveries come more often than the rest. */
export function plays(maxCommands: number): fc.Arbitrary<Iterable<Command>> {
  const arrival = fc.tuple(lane, fc.array(fc.nat({ max: 1 }), { minLength: 1, maxLength: 3 }));
  const workers = fc.constantFrom(['A'], ['B'], ['A', 'B']);
  return fc.commands<Model, Real, false>(
    [
      arrival.map(([to, threads]) => arrive(to, threads)),
      arrival.map(([to, threads]) => arrive(to, threads)),
      fc.tuple(workers, fc.integer({ min: 1, max: 4 })).map(([who, free]) => claim(who, free)),
      fc.tuple(workers, fc.integer({ min: 1, max: 4 })).map(([who, free]) => claim(who, free)),
      fc.tuple(fc.array(how, { minLength: 1, maxLength: 3 }), fc.boolean()).map(([ends, dies]) => finish(ends, dies)),
      fc.tuple(fc.array(how, { minLength: 1, maxLength: 3 }), fc.boolean()).map(([ends, dies]) => finish(ends, dies)),
      pick.map(loseLease),
      fc.constant(null).map(restart),
      pick.map(release),
      pick.map(renew),
      fc.tuple(pick, how, fc.boolean()).map((given) => comeLate(...given)),
      fc.tuple(pick, status).map((given) => receive(...given)),
      fc.tuple(pick, status).map((given) => receive(...given)),
      fc.tuple(pick, fc.boolean()).map((given) => beat(...given)),
      pick.map(wait),
      pick.map(replay),
      pick.map(cancel),
      pick.map(purge),
      lane.map(turn),
    ],
    { maxCommands, size: 'max' },
  );
}

/** From now on every worker behaves, every target answers, and somebody sees to what holds. */
export async function playToTheEnd(model: Model, real: Real): Promise<void> {
  for (const one of lanes) if (model.paused.has(one)) await turn(one).run(model, real);
  const orderly: Command[] = [
    restart(),
    beat(0, false),
    wait(0),
    claim(['A', 'B'], 4),
    finish(
      [0, 0, 0].map((first) => ({ pick: first, outcome: 'succeeded', onDeadline: 'retry' })),
      false,
    ),
    receive(0, 'succeeded'),
    about(
      'replay what holds',
      0,
      ({ holdsKey }) => holdsKey,
      (delivery, given, its) =>
        replay(given.deliveries.filter((one) => !isLive(one)).indexOf(delivery)).run(given, its),
    ),
  ];
  const [takeBack, ...rest] = orderly;
  if (takeBack?.check(model)) await takeBack.run(model, real);
  // Each round ends at least one delivery, or the run of one; more rounds mean that something is stuck.
  for (let round = 0; round < 200 && model.deliveries.some(isLive); round += 1) {
    for (const one of rest) if (one.check(model)) await one.run(model, real);
  }
}
