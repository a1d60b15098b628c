import { createClient, type TestClient } from '../support/test-app.ts';
import type { Desk } from './desk.ts';
import type { Load, Posted } from './load.ts';
import { sleep } from './random.ts';

const quietLimitMs = 60_000;
const tracesShown = 3;

/** What a run came to. */
export interface Result {
  /** What is wrong, one finding a line; none is success. */
  readonly findings: string[];
  readonly messages: number;
  readonly acknowledgedMessages: number;
  readonly delivered: number;
  /** Requests that a target answered 2xx although it had done so for the same message. */
  readonly duplicates: number;
}

interface MessageSeen {
  readonly id: string;
  readonly channelMessageId: string;
  readonly status: string;
}
interface DeliverySeen {
  readonly id: string;
  readonly messageId: string;
  readonly state: string;
}
interface EventSeen {
  readonly deliveryId: string;
  readonly outcome: string;
}

/**
 * Waits until the server has nothing left to do, and compares what it holds and what the targets got
 * with what was acknowledged. The server must be up, and the load at its end.
 */
export async function verifyRun(url: string, token: string, load: Load, desks: readonly Desk[]): Promise<Result> {
  const client = createClient(url, token);
  const findings = load.oddAnswers.map((answer) => `odd answer: ${answer}`);
  if (!(await isQuiet(client, desks))) findings.push(`not quiet within ${quietLimitMs} ms`);
  for (const { target } of desks) findings.push(...target.faults.map((fault) => `bad request at a target: ${fault}`));

  const messages = await listByOffset<MessageSeen>(client, '/api/v1/inbound/messages');
  const deliveries = await listByCursor<DeliverySeen>(client, '/api/v1/deliveries');
  const events = await listByCursor<EventSeen>(client, '/api/v1/events');
  const rowsOf = group(messages, (message) => message.channelMessageId);
  const deliveriesOf = group(deliveries, (delivery) => delivery.messageId);
  const eventsOf = group(events, (event) => event.deliveryId);
  const toTrace: string[] = [];

  for (const message of messages) {
    const own = deliveriesOf.get(message.id) ?? [];
    const states = own.map((delivery) => delivery.state).join(', ');
    if (!load.posted.has(message.channelMessageId)) findings.push(`a message that nobody posted: ${message.id}`);
    if (message.status === 'processed' && states === 'succeeded') continue;
    findings.push(`stuck or doubled on the way: message ${message.id} is ${message.status}, deliveries: [${states}]`);
    toTrace.push(message.id);
  }
  for (const posted of load.posted.values()) {
    const rows = rowsOf.get(posted.id) ?? [];
    const wrong = judge(posted, rows.length, eventsOf.get(posted.id) ?? [], desks);
    for (const what of wrong) findings.push(`${what}: ${describe(posted)}`);
    if (wrong.length > 0) toTrace.push(...rows.map((row) => row.id));
  }
  for (const id of [...new Set(toTrace)].slice(0, tracesShown)) {
    const trace = await client.request('GET', `/api/v1/inbound/messages/${id}/trace`);
    findings.push(`trace of ${id}: ${JSON.stringify(trace.body)}`);
  }

  const handed = desks.flatMap(({ target }) => [...target.handed.values()]);
  return {
    findings,
    messages: load.posted.size,
    acknowledgedMessages: [...load.posted.values()].filter((one) => one.acknowledged.length > 0).length,
    delivered: handed.filter((one) => one.answered > 0).length,
    duplicates: handed.reduce((sum, one) => sum + Math.max(0, one.answered - 1), 0),
  };
}

function judge(posted: Posted, rows: number, events: readonly EventSeen[], desks: readonly Desk[]): string[] {
  const handed = posted.desk.target.handed.get(posted.id);
  const isElsewhere = desks.some(({ target }) => target !== posted.desk.target && target.handed.has(posted.id));
  const wrong: string[] = [];
  if (posted.acknowledged.length > 0 && rows === 0) wrong.push('LOST from the inbox');
  if (rows > 1) wrong.push(`DOUBLED in the inbox (${rows} rows)`);
  // Every 2xx is an event of its own: the first one accepted, what came after it a duplicate.
  if (events.length < posted.acknowledged.length) wrong.push(`LOST events (${events.length} are there)`);
  if (events.filter((event) => event.outcome === 'accepted').length !== rows) wrong.push('events and inbox disagree');
  if (rows > 0 && !handed?.answered) wrong.push('LOST on the way to its target');
  if (rows === 0 && handed) wrong.push('at its target without being in the inbox');
  if (isElsewhere) wrong.push('at the WRONG target');
  if (handed && handed.keys.size > 1) wrong.push(`came under ${handed.keys.size} idempotency keys`);
  return wrong;
}

function describe({ id, round, posts, acknowledged, desk }: Posted): string {
  const times = acknowledged.map((one) => `round ${one.round} at ${one.at}`).join(', ');
  const handed = desk.target.handed.get(id);
  const got = `its target got ${handed?.received ?? 0} and answered ${handed?.answered ?? 0}`;
  return `${id}, first posted in round ${round}, ${posts} posts, acknowledged: ${times || 'never'}; ${got}`;
}

/** Nothing waits, nothing runs, and no target is still answering. */
async function isQuiet(client: TestClient, desks: readonly Desk[]): Promise<boolean> {
  const end = Date.now() + quietLimitMs;
  while (Date.now() < end) {
    const { body } = await client.request('GET', '/readyz');
    const unfinished = await Promise.all(
      ['pending', 'running'].map((state) => client.get(`/api/v1/deliveries?state=${state}&limit=1`)),
    );
    const isIdle = body.backlog?.messagesToRoute === 0 && unfinished.every((page) => page.items.length === 0);
    if (isIdle && desks.every(({ target }) => target.busy === 0)) return true;
    await sleep(100);
  }
  return false;
}

async function listByOffset<Item>(client: TestClient, path: string): Promise<Item[]> {
  const all: Item[] = [];
  for (;;) {
    const { items } = await client.get<{ items: Item[] }>(`${path}?limit=200&offset=${all.length}`);
    if (items.length === 0) return all;
    all.push(...items);
  }
}

async function listByCursor<Item>(client: TestClient, path: string): Promise<Item[]> {
  const all: Item[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? '' : `&cursor=${cursor}`;
    const page: { items: Item[]; nextCursor: string | null } = await client.get(`${path}?limit=100${query}`);
    all.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return all;
}

function group<Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const known = groups.get(keyOf(item));
    if (known) known.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}
