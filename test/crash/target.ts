import { createServer, type IncomingHttpHeaders } from 'node:http';
import { Webhook } from 'standardwebhooks';
import type { Random } from './random.ts';

/** What the target got of one message. */
export interface Handed {
  /** Requests about it, whatever the answer was. */
  received: number;
  /** Requests that were answered 2xx; more than one are duplicates. */
  answered: number;
  /** The idempotency keys they carried: one, however often it is tried. */
  readonly keys: Set<string>;
}

/** A real HTTP server that plays a customer's target: slow at times, and failing at times. */
export interface CrashTarget {
  readonly url: string;
  /** By the provider's message id. */
  readonly handed: ReadonlyMap<string, Handed>;
  /** What is wrong with requests as such: a bad signature, an unreadable body. */
  readonly faults: string[];
  /** Checks signatures from now on. */
  secret: string | undefined;
  /** How long an answer takes, in milliseconds, from and to. */
  delayMs: readonly [from: number, to: number];
  /** Of how many requests one is answered 503; 0 for none. */
  failOneOf: number;
  /** Called when a request is in, before it is answered. */
  onRequest: (() => void) | undefined;
  /** Requests that are being answered now. */
  readonly busy: number;
  stop(): Promise<void>;
}

/** Starts a target on a free port of the loopback. */
export async function startCrashTarget(random: Random): Promise<CrashTarget> {
  const handed = new Map<string, Handed>();
  const faults: string[] = [];
  let busy = 0;

  function note(text: string, headers: IncomingHttpHeaders): Handed | undefined {
    try {
      if (target.secret !== undefined) new Webhook(target.secret).verify(text, headers as Record<string, string>);
      const body = JSON.parse(text) as { data: { message: { channelMessageId: string } } };
      const id = body.data.message.channelMessageId;
      const known = handed.get(id) ?? { received: 0, answered: 0, keys: new Set<string>() };
      handed.set(id, known);
      known.received += 1;
      known.keys.add(String(headers['webhook-id']));
      return known;
    } catch (error) {
      faults.push(`${String(error)}: ${text.slice(0, 200)}`);
      return undefined;
    }
  }

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('error', () => {});
    response.on('error', () => {});
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const one = note(Buffer.concat(chunks).toString('utf8'), request.headers);
      const fails = target.failOneOf > 0 && random.chance(1 / target.failOneOf);
      target.onRequest?.();
      busy += 1;
      setTimeout(
        () => {
          busy -= 1;
          if (one && !fails) response.once('finish', () => (one.answered += 1));
          response.writeHead(fails ? 503 : 200, { 'content-type': 'application/json' }).end('{"ok":true}');
        },
        random.between(...target.delayMs),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the target has no port');

  const target: CrashTarget = {
    url: `http://127.0.0.1:${address.port}/hook`,
    handed,
    faults,
    secret: undefined,
    delayMs: [0, 40],
    failOneOf: 30,
    onRequest: undefined,
    get busy() {
      return busy;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return target;
}
