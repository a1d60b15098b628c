import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Completion } from '../../src/outbox/complete.ts';
import { callbackToken } from '../../src/outbox/callback-token.ts';
import { expireAwaiting, receiveCallback } from '../../src/outbox/callbacks.ts';
import { type Claim } from '../../src/outbox/claim.ts';
import { reapExpiredLeases, renewLeases } from '../../src/outbox/leases.ts';
import { cancelDelivery } from '../../src/outbox/cancel.ts';
import { findPostgres } from '../crash/cluster.ts';
import { runCuts, runRestarts } from '../crash/outages.ts';
import { describeRun, type RunReport } from '../crash/stage.ts';
import { createWorld, type World } from '../model/world.ts';
import { describeEachDatabase } from '../support/databases.ts';

const limitMs = 180_000;
const programs = findPostgres();
const why = programs === undefined ? ' (skipped: no initdb and pg_ctl in /usr/lib/postgresql/*/bin)' : '';

/** Nothing was found wrong; else the failure says what, and the seed that repeats it. */
function expectSound(report: RunReport): void {
  if (report.findings.length > 0) expect.fail(describeRun(report));
  expect(report.acknowledgedMessages).toBeGreaterThan(0);
  expect(report.delivered).toBeGreaterThanOrEqual(report.acknowledgedMessages);
}

describe.skipIf(programs === undefined)(`a PostgreSQL that crashes${why}`, () => {
  it(
    'loses and doubles nothing that was acknowledged; the service comes back by itself',
    { timeout: limitMs },
    async ({ signal }) => {
      expectSound(await runRestarts({ signal, rounds: 4 }));
    },
  );
});

describe.runIf(process.env['TEST_DATABASE_URL'])('connections that are cut', () => {
  it(
    'lose and double nothing that was acknowledged; the service opens others by itself',
    { timeout: limitMs },
    async ({ signal }) => {
      expectSound(await runCuts({ signal, rounds: 6 }));
    },
  );
});

/** What `outbox.test.ts` shows for a plain delivery, where more hangs on it: a key, a hold, a callback. */
describeEachDatabase('a worker that comes back late', (database) => {
  let world: World;
  const success: Pick<Completion, 'outcome'> = { outcome: 'succeeded' };

  beforeAll(async () => {
    world = await createWorld(database());
  });
  beforeEach(async () => {
    await world.reset();
  });
  afterAll(async () => {
    await world.stop();
  });

  async function claimOne(worker: string): Promise<Claim> {
    const [claim] = await world.claim(worker, 10);
    if (!claim) throw new Error('nothing was claimed');
    return claim;
  }

  /** The first of two of a conversation, lost by one worker and taken over by another. */
  async function takeOver(lane: 'ordered' | 'holding'): Promise<{ late: Claim; taken: Claim }> {
    await world.arrive(lane, ['t', 't']);
    const late = await claimOne('late');
    await world.pass(late.id, 'lease_until');
    expect(await reapExpiredLeases(world.db)).toBe(1);
    const taken = await claimOne('next');
    expect(taken.id).toBe(late.id);
    return { late, taken };
  }

  const states = async () => (await world.deliveries()).map(({ state, blocked }) => (blocked ? 'blocked' : state));
  const callBack = (claim: Claim) =>
    receiveCallback(world.db, world.app.app.services.sealer, callbackToken(world.app.app.services.sealer, claim), {
      status: 'succeeded',
    });

  it('does not let the next of its key go, however it says that its run ended', async () => {
    const { late, taken } = await takeOver('ordered');
    for (const outcome of ['succeeded', 'dead', 'retry', 'awaiting'] as const) {
      expect(await world.end(late, 'late', { outcome })).toMatchObject({ counted: false });
      expect(await states()).toEqual(['running', 'blocked']);
    }
    expect(await world.claim('late', 10)).toEqual([]);
    expect(await renewLeases(world.db, 'late', [late], 30)).toEqual(new Set());
    expect(await world.end(taken, 'next', success)).toMatchObject({ counted: true });
    expect(await states()).toEqual(['succeeded', 'pending']);
    // And once the next of the key runs, the first one's worker cannot end that either.
    await claimOne('next');
    expect(await world.end(late, 'late', success)).toMatchObject({ counted: false });
    expect(await states()).toEqual(['succeeded', 'running']);
  });

  it('does not make a key hold', async () => {
    const { late, taken } = await takeOver('holding');
    await world.end(late, 'late', { outcome: 'dead', holdsKey: true });
    expect((await world.deliveries()).some((one) => one.holdsKey)).toBe(false);
    await world.end(taken, 'next', success);
    expect(await states()).toEqual(['succeeded', 'pending']);
  });

  it('does not end what awaits a callback by now, nor does the URL of its own run', async () => {
    const { late, taken } = await takeOver('ordered');
    await world.end(taken, 'next', { outcome: 'awaiting', delayMs: 3_600_000, onDeadline: 'retry' });
    expect(await world.end(late, 'late', success)).toMatchObject({ counted: false });
    await expect(callBack(late)).rejects.toMatchObject({ code: 'conflict' });
    expect(await states()).toEqual(['awaiting', 'blocked']);
    await callBack(taken);
    expect(await states()).toEqual(['succeeded', 'pending']);
  });

  it('does not bring back what was cancelled', async () => {
    await world.arrive('ordered', ['t', 't']);
    const late = await claimOne('late');
    await world.pass(late.id, 'lease_until');
    await reapExpiredLeases(world.db);
    await cancelDelivery(world.db, world.app.tenantId, late.id);
    expect(await world.end(late, 'late', success)).toMatchObject({ counted: false });
    expect(await states()).toEqual(['cancelled', 'pending']);
  });

  it('leaves nothing of a callback that its run got: the next run awaits its own', async () => {
    await world.arrive('ordered', ['t']);
    const late = await claimOne('late');
    await callBack(late);
    await world.pass(late.id, 'lease_until');
    await reapExpiredLeases(world.db);
    const taken = await claimOne('next');
    const awaiting = { outcome: 'awaiting', delayMs: 3_600_000, onDeadline: 'retry' } as const;
    expect(await world.end(taken, 'next', awaiting)).toEqual({ counted: true, callback: null });
    await callBack(taken);
    expect(await states()).toEqual(['succeeded']);
  });
});

describeEachDatabase('a process that dies after it took a callback in', (database) => {
  it('leaves a delivery that another process ends by it', async () => {
    const world = await createWorld(database());
    const { sealer } = world.app.app.services;
    try {
      await world.arrive('ordered', ['t', 't']);
      const [claim] = await world.claim('dies', 1);
      if (!claim) throw new Error('nothing was claimed');
      // It comes before the target's answer, so it is for the worker to look at; which dies before it does.
      await receiveCallback(world.db, sealer, callbackToken(sealer, claim), { status: 'succeeded', result: 42 });
      await world.end(claim, 'dies', { outcome: 'awaiting', delayMs: 3_600_000, onDeadline: 'dead' });
      expect((await world.deliveries()).map(({ state }) => state)).toEqual(['awaiting', 'pending']);
      expect(await expireAwaiting(world.db)).toBe(1);
      const seen = await world.app.client.get(`/api/v1/deliveries/${claim.id}`);
      expect(seen).toMatchObject({ state: 'succeeded', result: { callback: 42 } });
      expect(await world.claim('next', 10)).toHaveLength(1);
    } finally {
      await world.stop();
    }
  });
});
