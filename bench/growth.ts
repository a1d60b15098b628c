import { createCleanup } from './cleanup.ts';
import { describeEnvironment, requirePostgres } from './databases.ts';
import { fillFinished, fillLinks, fillPending, fillRoutes, furnish, settle } from './fill.ts';
import { growthTable, smallName, type Costs, type Round, type Size, type Step } from './growth-report.ts';
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
 * finished deliveries. Each size takes turns with a small one, the two in databases of their own and
 * alone with each other: with all sizes at once they would take the memory from one another.
 */
export async function benchGrowth(options: GrowthOptions): Promise<void> {
  const cleanup = createCleanup();
  try {
    const postgres = await requirePostgres();
    process.stdout.write(`${describeEnvironment(postgres)}\n`);
    const bare = await makeWorld(await postgres.createDatabase('bare', cleanup.add));
    await furnish(bare);
    await bare.close();
    const rounds: Round[] = [];
    const steps = stepsOf(options);
    for (const [index, step] of steps.entries()) {
      const pair = createCleanup(cleanup.add);
      const prepare = async ({ name, size }: Step): Promise<Place> => {
        const url = await postgres.createDatabase(
          `growth_${index}_${size === small ? 'small' : 'large'}`,
          pair.add,
          bare.url,
        );
        const world = reopenWorld(bare, url);
        pair.add(world.close);
        return { name, size, world, endpoints: await fill(world, size, options.pending) };
      };
      const pairOfPlaces = [await prepare({ name: smallName, size: small }), await prepare(step)] as const;
      tell(`${step.name}: ready`);
      rounds.push(...(await takeTurns(...pairOfPlaces, options.rounds)));
      await pair.run();
    }
    process.stdout.write(`\n${growthTable(small, steps, rounds, options.pending)}\n`);
  } finally {
    await cleanup.run();
  }
}

function stepsOf({ links, routes, finished }: GrowthOptions): Step[] {
  const count = (n: number): string => n.toLocaleString('en');
  return [
    { name: `${count(links)} links`, size: { ...small, links } },
    { name: `${count(routes)} routes`, size: { ...small, routes } },
    ...finished.map((ended) => ({ name: `${count(ended)} finished`, size: { ...small, finished: ended } })),
  ];
}

/** Resolves to the number of endpoints that there are then. */
async function fill(world: World, { links, routes, finished }: Size, pending: number): Promise<number> {
  await fillLinks(world, links);
  const endpoints = await fillRoutes(world, routes);
  await fillFinished(world, finished);
  await fillPending(world, pending);
  await settle(world.db);
  return endpoints;
}

async function takeTurns(base: Place, grown: Place, rounds: number): Promise<Round[]> {
  const measured: Round[] = [];
  for (let round = -warmUps; round < rounds; round += 1) {
    const costs = new Map<Place, Costs>();
    // Every other round runs backwards, so that neither always follows the other.
    for (const place of round % 2 === 0 ? [base, grown] : [grown, base]) costs.set(place, await measure(place));
    const [few, many] = [costs.get(base), costs.get(grown)];
    if (round >= 0 && few && many) measured.push({ step: grown.name, small: few, grown: many });
    tell(`${grown.name}: round ${round + 1} of ${rounds}`);
  }
  return measured;
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
