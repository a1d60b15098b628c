import { createCleanup, type OnEnd } from './cleanup.ts';
import { describeEnvironment, requirePostgres, type Postgres } from './databases.ts';
import { fillFinished, fillLinks, fillPending, fillRoutes, furnish, settle } from './fill.ts';
import { growthTable, smallName, type Costs, type Measurement, type Size, type Step } from './growth-report.ts';
import { tell } from './table.ts';
import { arrivalOf, claimAndComplete, makeWorld, recipientOf, reopenWorld, senderOf, type World } from './world.ts';
import { createInbox } from '../src/inbox/accept.ts';
import { routeBatch } from '../src/routing/router.ts';

export interface GrowthOptions {
  readonly rounds: number;
  readonly links: number;
  readonly routes: number;
  readonly pending: number;
  readonly finished: readonly number[];
}

interface Place extends Step {
  readonly world: World;
  readonly endpoints: number;
}

const small: Size = { links: 10_000, routes: 100, finished: 0 };
/** Messages of one round: two full batches of the inbox, the claim and the completion, five of the router. */
const perRound = 1_000;
const claimSize = 500;
const routeSize = 200;
/** Uncounted: statements are planned, pages are read. */
const warmUps = 2;

/**
 * How the cost of ingest, routing and claiming grows with what lies around: identity links, routes,
 * finished deliveries. Each size is a database of its own, so that all of them can take turns.
 */
export async function benchGrowth(options: GrowthOptions): Promise<void> {
  const cleanup = createCleanup();
  try {
    const postgres = await requirePostgres();
    process.stdout.write(`${describeEnvironment(postgres)}\n`);
    const places = await preparePlaces(postgres, options, cleanup.add);
    const measurements: Measurement[] = [];
    for (let round = -warmUps; round < options.rounds; round += 1) {
      // Every other round runs backwards, so that none always follows the same neighbour.
      for (const place of round % 2 === 0 ? places : places.toReversed()) {
        const costs = await measure(place);
        if (round >= 0) measurements.push({ ...costs, step: place.name, round });
      }
      tell(`round ${round + 1} of ${options.rounds}`);
    }
    process.stdout.write(`\n${growthTable(places, measurements, options.pending)}\n`);
  } finally {
    await cleanup.run();
  }
}

async function preparePlaces(postgres: Postgres, options: GrowthOptions, onEnd: OnEnd): Promise<Place[]> {
  const count = (n: number): string => n.toLocaleString('en');
  const steps: Step[] = [
    { name: smallName, size: small },
    { name: `${count(options.links)} links`, size: { ...small, links: options.links } },
    { name: `${count(options.routes)} routes`, size: { ...small, routes: options.routes } },
    ...options.finished.map((finished) => ({ name: `${count(finished)} finished`, size: { ...small, finished } })),
  ];
  const bare = await makeWorld(await postgres.createDatabase('bare', onEnd));
  await furnish(bare);
  await bare.close();
  const places: Place[] = [];
  for (const [index, step] of steps.entries()) {
    const world = reopenWorld(bare, await postgres.createDatabase(`growth_${index}`, onEnd, bare.url));
    onEnd(world.close);
    const { links, routes, finished } = step.size;
    await fillLinks(world, links);
    const endpoints = await fillRoutes(world, routes);
    await fillFinished(world, finished);
    await fillPending(world, options.pending);
    await settle(world.db);
    places.push({ ...step, world, endpoints });
    tell(`${step.name}: ready`);
  }
  return places;
}

/** As many deliveries are completed as messages come, so that what waits stays the same. */
async function measure({ world, size, endpoints }: Place): Promise<Costs> {
  const { db } = world;
  const inbox = createInbox(db, { onBooked: () => {} });
  const any = (most: number): number => 1 + Math.floor(Math.random() * most);
  const arrivals = Array.from({ length: perRound }, () =>
    arrivalOf(world, senderOf(any(size.links)), recipientOf(any(endpoints))),
  );
  const started = performance.now();
  await Promise.all(arrivals.map((arrival) => inbox.accept(arrival)));
  const booked = performance.now();
  for (let routed = 0; routed < perRound;) {
    const { deliveries } = await routeBatch(db, routeSize, new Date());
    if (deliveries === 0) throw new Error(`only ${routed} of ${perRound} messages were routed`);
    routed += deliveries;
  }
  const routedAt = performance.now();
  let claimMs = 0;
  let completeMs = 0;
  for (let claimed = 0; claimed < perRound; claimed += claimSize) {
    const one = await claimAndComplete(db, claimSize);
    if (one.count !== claimSize) throw new Error(`a claim found ${one.count} instead of ${claimSize}`);
    claimMs += one.claimMs;
    completeMs += one.completeMs;
  }
  const perOne = (milliseconds: number): number => (milliseconds * 1000) / perRound;
  return {
    ingest: perOne(booked - started),
    route: perOne(routedAt - booked),
    claim: perOne(claimMs),
    complete: perOne(completeMs),
  };
}
