import { randomUUID } from 'node:crypto';
import { webhookHeaders } from '../../src/lib/standard-webhooks.ts';
import type { Desk } from './desk.ts';
import { sleep, type Random } from './random.ts';

/** One message that was posted, perhaps several times as a provider's retries do. */
export interface Posted {
  readonly id: string;
  readonly desk: Desk;
  readonly round: number;
  posts: number;
  /** When it was answered 2xx, and in which round. */
  readonly acknowledged: { readonly round: number; readonly at: string }[];
}

/** Clients that post signed messages as long as a server is there. */
export interface Load {
  readonly posted: ReadonlyMap<string, Posted>;
  /** Answers that no correct server gives, at most ten of them. */
  readonly oddAnswers: string[];
  readonly counts: { posts: number; acknowledged: number; refused: number; unanswered: number };
  /** Called right after each 2xx, before anything else happens. */
  onAcknowledged: (() => void) | undefined;
  /** Posts to this server from now on; undefined: there is none. */
  aim(url: string | undefined, round: number): void;
  /** Ends the load; resolves when all clients are done. */
  stop(): Promise<void>;
}

export interface LoadOptions {
  readonly clients: number;
  /** Posts in one round at most; the clients idle when they are used up. */
  readonly postsPerRound: number;
  /** A client's pause between two posts, in milliseconds at most. */
  readonly pauseMs: number;
}

/** How many of what was posted last are posted again at times. */
const recently = 200;

/** Starts the clients. They do nothing until the load is aimed at a server. */
export function startLoad(desks: readonly Desk[], random: Random, options: LoadOptions): Load {
  const posted = new Map<string, Posted>();
  const recent: Posted[] = [];
  const toRetry: Posted[] = [];
  let url: string | undefined;
  let round = 0;
  let left = 0;
  let stopped = false;

  function newMessage(): Posted {
    const id = `msg_${randomUUID()}`;
    const message: Posted = { id, desk: random.pick(desks), round, posts: 0, acknowledged: [] };
    posted.set(id, message);
    recent.push(message);
    if (recent.length > recently) recent.shift();
    return message;
  }

  /** What a client does next: mostly something new, else what a provider repeats. */
  function choose(): Posted[] {
    if (random.chance(0.15) && toRetry.length > 0) return [toRetry.shift() as Posted];
    if (random.chance(0.1) && recent.length > 0) return [random.pick(recent)];
    const message = newMessage();
    return random.chance(0.1) ? [message, message, message] : [message];
  }

  async function post(message: Posted, to: string): Promise<void> {
    message.posts += 1;
    load.counts.posts += 1;
    const postedIn = round;
    const body = JSON.stringify({
      id: message.id,
      sender: 'crash-test',
      text: `message ${load.counts.posts} of round ${round}`,
    });
    try {
      const headers = webhookHeaders([message.desk.secret], message.id, Math.floor(Date.now() / 1000), body);
      const response = await fetch(`${to}/in/${message.desk.channelId}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body,
        signal: AbortSignal.timeout(15_000),
      });
      if (response.ok) {
        message.acknowledged.push({ round: postedIn, at: new Date().toISOString() });
        load.counts.acknowledged += 1;
        load.onAcknowledged?.();
      }
      const text = await response.text().catch(() => '');
      if (response.ok) return;
      load.counts.refused += 1;
      if (response.status !== 503 && load.oddAnswers.length < 10) {
        load.oddAnswers.push(`round ${postedIn}: ${response.status} ${text.slice(0, 300)}`);
      }
    } catch {
      load.counts.unanswered += 1;
    }
    // A provider tries most of these again; the others show that what was not acknowledged is never doubled.
    if (random.chance(0.7)) toRetry.push(message);
  }

  async function client(): Promise<void> {
    while (!stopped) {
      const to = url;
      if (to === undefined || left <= 0) {
        await sleep(5);
        continue;
      }
      const messages = choose();
      left -= messages.length;
      await Promise.all(messages.map((message) => post(message, to)));
      await sleep(random.between(0, options.pauseMs));
    }
  }

  const load: Load = {
    posted,
    oddAnswers: [],
    counts: { posts: 0, acknowledged: 0, refused: 0, unanswered: 0 },
    onAcknowledged: undefined,
    aim(at, inRound) {
      if (inRound !== round) left = options.postsPerRound;
      round = inRound;
      url = at;
    },
    async stop() {
      stopped = true;
      await clients;
    },
  };
  const clients = Promise.all(Array.from({ length: options.clients }, client));
  return load;
}
