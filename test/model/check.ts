import { expect } from 'vitest';
import { isLive, type Model, type ModelDelivery } from './model.ts';
import type { World } from './world.ts';

/** The outbox is as the model says, and keeps its promises whatever the model says. */
export async function expectAgreement(model: Model, world: World): Promise<void> {
  const rows = await world.deliveries();
  const expected = model.deliveries.map(({ id, state, blocked, holdsKey, fence, attempts }) => ({
    id,
    state,
    blocked,
    holdsKey,
    fence,
    attempts,
  }));
  const found = rows.map(({ messageId: _message, key: _key, ...row }) => row);
  expect(found).toEqual(expected.toSorted((a, b) => (a.id < b.id ? -1 : 1)));

  const free = new Map<string, string>();
  for (const row of rows) {
    if (row.key === null || row.blocked || !['pending', 'running', 'awaiting'].includes(row.state)) continue;
    expect(free.get(row.key), `two of ${row.key} may run`).toBeUndefined();
    free.set(row.key, row.id);
  }
}

/** After everything has ended: nothing waits, nothing was left out, and each key kept its order. */
export async function expectFinished(model: Model, world: World): Promise<void> {
  await expectAgreement(model, world);
  expect(model.deliveries.filter(isLive)).toEqual([]);
  expect(inOrder(model.started), 'the order of first tries').toBe(true);
  expect(inOrder(model.succeeded), 'the order of successes').toBe(true);
  const messages = await world.messages();
  expect(messages).toHaveLength(model.arrivals);
  for (const { id, status } of messages) {
    expect(status, `message ${id}`).toBe(model.processed.has(id) ? 'processed' : 'failed');
  }
}

/** Whether those of each key come in the order of their arrival. */
function inOrder(deliveries: readonly ModelDelivery[]): boolean {
  const last = new Map<string, number>();
  return deliveries.every(({ key, arrival }) => {
    if (key === null) return true;
    const isNext = arrival > (last.get(key) ?? 0);
    last.set(key, arrival);
    return isNext;
  });
}
