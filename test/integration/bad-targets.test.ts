import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { describeEachDatabase } from '../support/databases.ts';
import { makeOwnCertificate, startRudeServer, type RudeServer, type Rudeness } from '../support/rude-server.ts';
import { createWebhookChannel, messageWith, postEvent } from '../support/story.ts';
import { eventually, startTestApp, type TestApp } from '../support/test-app.ts';
import { startTestTarget, type TestTarget } from '../support/test-target.ts';

/** Sends a byte now and then, and never ends. */
const drip: NonNullable<Rudeness['behave']> = (socket) => {
  socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n');
  const timer = setInterval(() => socket.write('x'), 20);
  socket.on('close', () => clearInterval(timer));
};
const mebibyte = Buffer.alloc(1024 * 1024, 'x');
/** Sends so many MiB, as fast as they are taken. */
const pour =
  (status: string, mebibytes: number): NonNullable<Rudeness['behave']> =>
  (socket) => {
    socket.write(
      `HTTP/1.1 ${status}\r\ncontent-type: text/plain\r\ncontent-length: ${mebibytes * mebibyte.length}\r\n\r\n`,
    );
    let left = mebibytes;
    const more = (): void => {
      while (left > 0 && !socket.destroyed) {
        left -= 1;
        if (!socket.write(mebibyte)) return;
      }
    };
    socket.on('drain', more);
    more();
  };

interface Case extends Rudeness {
  readonly what: string;
  readonly code: string;
  /** What its message is like. */
  readonly message: RegExp;
}

const cases: readonly Case[] = [
  { what: 'hangs', behave: () => {}, code: 'timeout', message: /no whole answer within 400 ms/ },
  { what: 'drips bytes and never ends', behave: drip, code: 'timeout', message: /no whole answer within 400 ms/ },
  {
    what: 'never ends its headers',
    behave: (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      const timer = setInterval(() => socket.write('x-more: 1\r\n'), 20);
      socket.on('close', () => clearInterval(timer));
    },
    code: 'timeout',
    message: /no whole answer/,
  },
  {
    what: 'resets the connection',
    behave: (socket) => socket.resetAndDestroy(),
    code: 'connection_failed',
    message: /ECONNRESET|UND_ERR_SOCKET/,
  },
  {
    what: 'resets the connection in the middle of its answer',
    behave: (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf', () => socket.resetAndDestroy());
    },
    code: 'connection_failed',
    message: /ECONNRESET|UND_ERR_SOCKET/,
  },
  {
    what: 'closes before it answers',
    behave: (socket) => socket.end(),
    code: 'connection_failed',
    message: /UND_ERR_SOCKET/,
  },
  {
    what: 'closes before its answer is whole',
    behave: (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf'),
    code: 'connection_failed',
    message: /UND_ERR_SOCKET|terminated|CONTENT/i,
  },
  {
    what: 'does not speak HTTP',
    behave: (socket) => socket.end('220 mail.example.com ESMTP\r\n'),
    code: 'bad_response',
    message: /not proper HTTP/,
  },
  {
    what: 'answers chunks of no valid size',
    behave: (socket) => socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n'),
    code: 'bad_response',
    message: /not proper HTTP/,
  },
  {
    what: 'answers headers without end',
    behave: (socket) => socket.end(`HTTP/1.1 200 OK\r\nx-long: ${'x'.repeat(200_000)}\r\n\r\n`),
    code: 'bad_response',
    message: /not proper HTTP/,
  },
  { what: 'has no certificate', tls: {}, code: 'connection_failed', message: /SSL|EPROTO|ECONNRESET/ },
];

/** Undefined where there is no openssl to make it with. */
const own = makeOwnCertificate();

describeEachDatabase('a target', (database) => {
  let app: TestApp;
  let target: TestTarget;
  const rude: RudeServer[] = [];

  beforeAll(async () => {
    app = await startTestApp(database());
    target = await startTestTarget();
  });
  beforeEach(() => {
    target.received.length = 0;
    target.answer = (_received, response) => response.end('ok');
  });
  afterEach(async () => {
    for (const server of rude.splice(0)) await server.stop();
  });
  afterAll(async () => {
    await app.stop();
    await target.stop();
  });

  async function serve(rudeness: Rudeness): Promise<RudeServer> {
    const server = await startRudeServer(rudeness);
    rude.push(server);
    return server;
  }

  /** A target at this URL, with a way to post messages for it. */
  async function connect(url: string, policy: object = {}) {
    const made = await app.client.post('/api/v1/targets', {
      kind: 'http',
      name: 'bad',
      url,
      policy: { timeoutMs: 400, maxAttempts: 2, backoffBaseMs: 1, ...policy },
    });
    const channel = await createWebhookChannel(app.client);
    await app.client.post('/api/v1/communications/routes', { channelId: channel.id, targetId: made.id });
    return async (): Promise<string> => {
      const id = `msg_${randomUUID()}`;
      expect((await postEvent(channel, { sender: 'ada', text: 'work' }, id)).status).toBe(200);
      return id;
    };
  }

  async function deliveryOf(id: string, ...statuses: string[]) {
    const message = await messageWith(app, id, ...statuses);
    const [delivery] = (await app.client.get(`/api/v1/inbound/messages/${message.id}/trace`)).deliveries;
    return delivery;
  }

  it.each(cases)('that $what is tried again, and then given up as $code', async ({ code, message, ...rudeness }) => {
    const server = await serve(rudeness);
    const delivery = await deliveryOf(await (await connect(server.url))(), 'failed');
    expect(delivery).toMatchObject({ state: 'dead', attemptCount: 2, error: { code, exhausted: true, attempts: 2 } });
    expect(delivery.error.message).toMatch(message);
    expect(delivery.attempts.map((one: any) => [one.outcome, one.error.code])).toEqual([
      ['retry', code],
      ['dead', code],
    ]);
  });

  it.skipIf(!own)('whose certificate nobody vouches for is not talked to', async () => {
    const server = await serve({ tls: own ?? {}, behave: (socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n') });
    const delivery = await deliveryOf(await (await connect(server.url))(), 'failed');
    expect(delivery).toMatchObject({ attemptCount: 2, error: { code: 'connection_failed' } });
    expect(delivery.error.message).toMatch(/SELF_SIGNED/);
    expect(server.requests()).toBe(0);
  });

  it('that speaks no TLS where its URL says so is given up', async () => {
    const server = await serve({ behave: (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n') });
    const post = await connect(server.url.replace('http:', 'https:'));
    expect(await deliveryOf(await post(), 'failed')).toMatchObject({
      attemptCount: 2,
      error: { code: 'connection_failed' },
    });
  });

  it('whose name does not resolve, or that does not listen, is tried again', async () => {
    const server = await startRudeServer({});
    await server.stop();
    for (const url of ['http://nothing.invalid/hook', server.url]) {
      const delivery = await deliveryOf(await (await connect(url, { timeoutMs: 5_000 }))(), 'failed');
      expect(delivery).toMatchObject({ attemptCount: 2, error: { code: 'connection_failed' } });
      expect(delivery.error.message).toMatch(/ENOTFOUND|EAI_AGAIN|ECONNREFUSED/);
    }
  });

  it('that redirects, to the inside or anywhere, is not followed', async () => {
    const inside = await serve({ behave: (socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n') });
    for (const location of [inside.url, 'http://169.254.169.254/latest/meta-data/', 'http://[::1]/']) {
      target.answer = (_received, response) => response.writeHead(307, { location }).end('elsewhere');
      const delivery = await deliveryOf(await (await connect(target.url))(), 'failed');
      expect(delivery).toMatchObject({ attemptCount: 2, error: { code: 'target_failed', status: 307 } });
    }
    expect(inside.requests()).toBe(0);
  });

  it('that answers 64 MiB costs neither the time nor the memory for them', { timeout: 30_000 }, async () => {
    const [fine, sorry] = [await serve({ behave: pour('200 OK', 64) }), await serve({ behave: pour('503 No', 64) })];
    const postFine = await connect(fine.url, { timeoutMs: 10_000 });
    const postSorry = await connect(sorry.url, { timeoutMs: 10_000, maxAttempts: 1 });
    const before = process.memoryUsage().rss;
    let most = before;
    const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 5);
    const [fineIds, sorryIds] = [await Promise.all(times(8, postFine)), await Promise.all(times(8, postSorry))];
    for (const id of fineIds) {
      const delivery = await deliveryOf(id, 'processed');
      expect(delivery).toMatchObject({ state: 'succeeded', attemptCount: 1, result: { status: 200 } });
      expect(delivery.result.body).toHaveLength(16 * 1024);
      expect(delivery.attempts[0].response).toHaveLength(4_096);
    }
    for (const id of sorryIds) {
      expect((await deliveryOf(id, 'failed')).error).toMatchObject({ code: 'target_failed', status: 503 });
    }
    clearInterval(watch);
    // 1 GiB in all; what was sent stayed in the sockets' buffers.
    expect(fine.sent() + sorry.sent()).toBeLessThan(16 * 8 * mebibyte.length);
    expect(most - before).toBeLessThan(200 * mebibyte.length);
  });

  it('that asks for time with a date gets it; more than a day it does not get', async () => {
    let ask = '';
    target.answer = ({ body }, response) => {
      if (body.data.delivery.attempt === 1) response.writeHead(429, { 'retry-after': ask }).end();
      else response.end();
    };
    const post = await connect(target.url);
    const until = Math.ceil(Date.now() / 1000 + 1.5) * 1000;
    ask = new Date(until).toUTCString();
    expect(await deliveryOf(await post(), 'processed')).toMatchObject({ attemptCount: 2 });
    // The database's clock and ours may be some ms apart, on PostgreSQL.
    expect(target.received[1]?.at).toBeGreaterThanOrEqual(until - 100);

    const dayMs = 86_400_000;
    for (const wish of ['9999999999', new Date(Date.now() + 3_650 * dayMs).toUTCString()]) {
      ask = wish;
      const id = await post();
      const waiting = await eventually('the first try to end', async () => {
        const delivery = await deliveryOf(id);
        return delivery?.error ? delivery : undefined;
      });
      expect(waiting).toMatchObject({ state: 'pending', waitingFor: 'time', error: { status: 429 } });
      const waitMs = Date.parse(waiting.nextAttemptAt) - Date.now();
      expect(waitMs).toBeGreaterThan(dayMs - 60_000);
      expect(waitMs).toBeLessThanOrEqual(dayMs + 1_000);
    }
    for (const nonsense of ['soon', '-5', '1e9', '2126-01-01', new Date(0).toUTCString()]) {
      ask = nonsense;
      expect(await deliveryOf(await post(), 'processed')).toMatchObject({ attemptCount: 2 });
    }
  });

  it('that is bad does not keep the others waiting', async () => {
    const bad = [
      await serve({ behave: () => {} }),
      await serve({ behave: drip }),
      await serve({ behave: pour('200', 64) }),
    ];
    for (const { url } of bad) {
      const post = await connect(url, { timeoutMs: 60_000 });
      await Promise.all(times(20, post));
    }
    await eventually('the bad ones to be busy', () => (bad[0]?.requests() ?? 0) >= 16 || undefined);
    const post = await connect(target.url, { timeoutMs: 10_000 });
    const started = performance.now();
    await Promise.all(times(30, post));
    await eventually('the others', () => target.received.length === 30 || undefined);
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});

function times<T>(count: number, make: () => Promise<T>): Promise<T>[] {
  return Array.from({ length: count }, make);
}
