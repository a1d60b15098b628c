import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectFinished } from '../model/check.ts';
import { plays, playToTheEnd, type Real } from '../model/commands.ts';
import { createModel, type Model } from '../model/model.ts';
import { createWorld, type World } from '../model/world.ts';
import { databaseKinds, openTestDatabase, type TestDatabase } from '../support/databases.ts';

/** `npm run model -- --runs 500 --seed 7` sets these; the same seed plays the same commands again. */
const seed = Number(process.env['MODEL_SEED'] ?? 20_261_121);
const wanted = process.env['MODEL_RUNS'];
const runsOf = { embedded: Number(wanted ?? 32), postgres: Number(wanted ?? 12) } as const;
const maxCommands = 150;
const msPerRun = 10_000;

/**
 * Random plays of all that can happen to deliveries, against the real outbox, beside a model of what
 * should come of it. After each command the two are compared; at the end everything must have ended,
 * each key in its order. A failure is shrunk to the fewest commands that show it.
 */
describe.each(databaseKinds)('the outbox beside its model (%s)', (kind) => {
  let database: TestDatabase;
  let world: World;
  beforeAll(async () => {
    database = await openTestDatabase(kind);
    world = await createWorld(database);
  });
  afterAll(async () => {
    await world?.stop();
    await database?.close();
  });

  it(
    'keeps order, loses nothing, and listens to the latest worker alone',
    { timeout: runsOf[kind] * msPerRun },
    async () => {
      let played = 0;
      const property = fc.asyncProperty(fc.noBias(plays(maxCommands)), async (commands) => {
        await world.reset();
        let model: Model = createModel();
        const real: Real = { world, claims: new Map(), lost: [] };
        await fc.asyncModelRun(() => ({ model: (model = createModel()), real }), commands);
        played += model.played;
        await playToTheEnd(model, real);
        await expectFinished(model, world);
      });
      await fc.assert(property, { seed, numRuns: runsOf[kind] });
      expect(played / runsOf[kind], 'commands in a run, on average').toBeGreaterThanOrEqual(40);
    },
  );
});
