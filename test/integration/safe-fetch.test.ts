import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createSafeFetch, OutboundError, type SafeFetch, type SafeFetchRequest } from '../../src/lib/safe-fetch.ts';

const loopback = ['127.0.0.0/8', '::1/128'];
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function guard(options: Parameters<typeof createSafeFetch>[0] = { allowPrivate: loopback }): SafeFetch {
  const made = createSafeFetch(options);
  cleanups.push(() => made.close());
  return made;
}

async function listen(server: Server | TcpServer): Promise<string> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

/** Starts a web server and gives back its URL and how many connections it saw. */
async function serve(listener: RequestListener) {
  const server = createServer(listener);
  const sockets = new Set<Socket>();
  let connections = 0;
  server.on('connection', (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const url = await listen(server);
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url, sockets, connections: () => connections };
}

/** Starts a server that speaks raw bytes. */
async function serveBytes(onSocket: (socket: Socket) => void): Promise<string> {
  const open = new Set<Socket>();
  const server = createTcpServer((socket) => {
    open.add(socket);
    socket.on('error', () => {});
    onSocket(socket);
  });
  const url = await listen(server);
  cleanups.push(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return url;
}

const usual: SafeFetchRequest = { method: 'POST', body: '{}', timeoutMs: 1500, maxResponseBytes: 1024 };

async function failure(call: Promise<unknown>): Promise<OutboundError> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(OutboundError);
  return error as OutboundError;
}

describe('an outbound call', () => {
  it('carries method, headers and body there, and status, headers and body back', async () => {
    const { url } = await serve((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        response.writeHead(201, { 'X-Twice': ['a', 'b'] });
        response.end(`${request.method} ${String(request.headers['x-mine'])} ${Buffer.concat(chunks).toString('hex')}`);
      });
    });
    const body = Uint8Array.from([0, 255, 10]);
    const answer = await guard().fetch(url, { ...usual, method: 'PUT', headers: { 'X-Mine': 'yes' }, body });
    expect(answer).toMatchObject({ status: 201, truncated: false });
    expect(answer.headers.get('x-twice')).toBe('a, b');
    expect(new TextDecoder().decode(answer.body)).toBe('PUT yes 00ff0a');
  });

  it('uses a connection again', async () => {
    const { url, connections } = await serve((_request, response) => response.end('ok'));
    const { fetch } = guard();
    for (let call = 0; call < 20; call++) await fetch(url, usual);
    // The first may still be on its way back into the pool when the second call starts.
    expect(connections()).toBeLessThanOrEqual(2);
  });

  it('keeps to 64 connections for one origin', async () => {
    const { url, connections } = await serve((_request, response) => setTimeout(() => response.end('ok'), 5));
    const { fetch } = guard();
    await Promise.all(Array.from({ length: 200 }, () => fetch(url, usual)));
    expect(connections()).toBeLessThanOrEqual(64);
    expect(connections()).toBeGreaterThan(1);
  });

  it('brings a redirect back and does not follow it', async () => {
    const location = 'http://169.254.169.254/latest/meta-data/';
    const { url } = await serve((_request, response) => response.writeHead(307, { location }).end());
    const answer = await guard().fetch(url, usual);
    expect([answer.status, answer.headers.get('location')]).toEqual([307, location]);
  });

  it('reads an answer up to the limit, says so, and hangs up', async () => {
    const { url, sockets } = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': 64 << 20 });
      const block = Buffer.alloc(1 << 20, 'x');
      const more = (): void => {
        while (!response.destroyed && response.write(block));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    });
    const answer = await guard().fetch(url, usual);
    expect(answer).toMatchObject({ status: 200, truncated: true });
    expect(answer.body.length).toBe(1024);
    await expect.poll(() => sockets.size).toBe(0);
  });

  it('takes an answer whose headers are not ASCII', async () => {
    const url = await serveBytes((socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nX-Name: Zoë 漢\r\nContent-Length: 2\r\n\r\nok')),
    );
    const answer = await guard().fetch(url, usual);
    expect([answer.status, answer.headers.get('x-name')?.startsWith('Zo')]).toEqual([200, true]);
  });

  it('does not call an answer of exactly the limit truncated', async () => {
    const { url } = await serve((_request, response) => response.end('x'.repeat(1024)));
    const answer = await guard().fetch(url, usual);
    expect([answer.body.length, answer.truncated]).toEqual([1024, false]);
  });
});

describe('an outbound call that fails', () => {
  it('times out where the other side never answers', async () => {
    const { url } = await serve(() => {});
    const error = await failure(guard().fetch(url, { ...usual, timeoutMs: 80 }));
    expect([error.code, error.retryable]).toEqual(['timeout', true]);
  });

  it('times out where the body drips, however regularly', async () => {
    const { url } = await serve((_request, response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write('.'), 10);
      response.on('close', () => clearInterval(drip));
    });
    const start = performance.now();
    const error = await failure(guard().fetch(url, { ...usual, timeoutMs: 150 }));
    expect(error.code).toBe('timeout');
    expect(performance.now() - start).toBeLessThan(1000);
  });

  it('times out while it waits for a lookup', async () => {
    const { fetch } = guard({ allowPrivate: [], resolve: () => {} });
    const error = await failure(fetch('http://slow.example/', { ...usual, timeoutMs: 50 }));
    expect(error.code).toBe('timeout');
  });

  it('times out while it waits for a free connection', async () => {
    const { url } = await serve(() => {});
    const { fetch } = guard();
    const calls = Array.from({ length: 70 }, () => failure(fetch(url, { ...usual, timeoutMs: 100 })));
    expect(new Set((await Promise.all(calls)).map((error) => error.code))).toEqual(new Set(['timeout']));
  });

  it('is waited for when the guard is closed', async () => {
    const { url } = await serve((_request, response) => setTimeout(() => response.end('late'), 50));
    const { fetch, close } = guard();
    const call = fetch(url, usual);
    await close();
    expect((await call).status).toBe(200);
  });

  it('ends when its signal says so, before or during', async () => {
    const { url } = await serve(() => {});
    const { fetch } = guard();
    const before = await failure(fetch(url, { ...usual, signal: AbortSignal.abort() }));
    const during = await failure(fetch(url, { ...usual, signal: AbortSignal.timeout(30) }));
    expect([before.code, during.code, during.retryable]).toEqual(['aborted', 'aborted', true]);
  });

  it.each<[string, (socket: Socket) => void]>([
    ['before the answer', (socket) => socket.resetAndDestroy()],
    ['within the answer', (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')],
  ])('is retryable when the connection breaks %s', async (_when, hangUp) => {
    const url = await serveBytes((socket) => socket.once('data', () => hangUp(socket)));
    const error = await failure(guard().fetch(url, usual));
    expect([error.code, error.retryable]).toEqual(['connection_failed', true]);
  });

  it('is retryable when nobody listens, or the name is unknown', async () => {
    const server = createTcpServer();
    const url = await listen(server);
    await new Promise((done) => server.close(done));
    const refused = await failure(guard().fetch(url, usual));
    expect([refused.code, refused.message, refused.retryable]).toEqual(['connection_failed', 'ECONNREFUSED', true]);
    const unknown = Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
    const { fetch } = guard({ allowPrivate: [], resolve: (_name, _options, done) => done(unknown, []) });
    const missing = await failure(fetch('http://nowhere.example/', usual));
    expect([missing.code, missing.message, missing.retryable]).toEqual(['connection_failed', 'ENOTFOUND', true]);
  });

  it('tells an answer that is not HTTP, or has endless headers', async () => {
    const nonsense = await serveBytes((socket) => socket.once('data', () => socket.end('220 smtp.example ESMTP\r\n')));
    expect((await failure(guard().fetch(nonsense, usual))).code).toBe('bad_response');
    const endless = await serveBytes((socket) =>
      socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`)),
    );
    expect((await failure(guard().fetch(endless, usual))).code).toBe('bad_response');
  });

  it('is not retryable for a header that cannot be sent', async () => {
    const { url, connections } = await serve((_request, response) => response.end());
    const error = await failure(guard().fetch(url, { ...usual, headers: { 'X-Bad': 'a\r\nX-Injected: b' } }));
    expect([error.code, error.retryable, connections()]).toEqual(['bad_request', false, 0]);
  });
});

describe('the address guard', () => {
  const blockedHosts = `
    127.0.0.1 127.1 2130706433 0x7f000001 0x7f.1 0177.0.0.1 017700000001 ①②⑦.0.0.1 0.0.0.0 0
    10.1.2.3 172.16.0.1 192.168.1.1 100.64.0.1 169.254.169.254 168.63.129.16 192.0.2.1
    198.18.0.1 224.0.0.1 255.255.255.255 [::] [::1] [::ffff:127.0.0.1] [::ffff:7f00:1]
    [::127.0.0.1] [::10.0.0.1] [64:ff9b::7f00:1] [2002:7f00:1::] [fd00:ec2::254] [fe80::1]
    [ff02::1] [2001:db8::1] [4000::1] localhost LOCALHOST localhost. my.localhost 127.0.0.1.
  `.trim();

  it.each(blockedHosts.split(/\s+/))('refuses %s without a lookup', async (host) => {
    const guarded = guard({ allowPrivate: [], resolve: () => expect.unreachable('it was looked up') });
    const url = `http://${host}:8080/`;
    expect(() => guarded.assertAllowedUrl(url)).toThrow(
      expect.objectContaining({ code: 'blocked_address', retryable: false }),
    );
    expect((await failure(guarded.fetch(url, usual))).code).toBe('blocked_address');
  });

  it.each([
    'ftp://example.com/',
    'file:///etc/passwd',
    'gopher://example.com',
    'data:,x',
    'example.com',
    '',
    'http://',
  ])('takes %j for no URL of ours', (url) => {
    expect(() => guard().assertAllowedUrl(url)).toThrow(expect.objectContaining({ code: 'bad_url', retryable: false }));
  });

  it('refuses a user in the URL', () => {
    expect(() => guard().assertAllowedUrl('https://user@example.com/')).toThrow(
      expect.objectContaining({ code: 'bad_url' }),
    );
    expect(() => guard().assertAllowedUrl('https://:pw@example.com/')).toThrow(
      expect.objectContaining({ code: 'bad_url' }),
    );
  });

  it('lets names and public addresses pass', () => {
    const { assertAllowedUrl } = guard({ allowPrivate: [] });
    for (const host of ['example.com', '8.8.8.8', '[2606:4700::1111]', 'localhost.example.com']) {
      expect(() => assertAllowedUrl(`https://${host}/path?q=1`)).not.toThrow();
    }
  });

  it('refuses a name that resolves to a private address, and calls that retryable', async () => {
    for (const address of ['127.0.0.1', '10.0.0.1', '169.254.169.254', '::1', '::ffff:127.0.0.1', '64:ff9b::7f00:1']) {
      const family = address.includes(':') ? 6 : 4;
      const { fetch } = guard({
        allowPrivate: [],
        resolve: (_name, _options, done) => done(null, [{ address, family }]),
      });
      const error = await failure(fetch('http://harmless.example/', usual));
      expect([error.code, error.retryable]).toEqual(['blocked_address', true]);
    }
  });

  it('checks each connection anew, so that a name cannot be rebound', async () => {
    const { url, connections } = await serve((_request, response) =>
      response.writeHead(200, { connection: 'close' }).end(),
    );
    const answers = ['127.0.0.1', '127.0.0.9'];
    const resolve: NonNullable<Parameters<typeof createSafeFetch>[0]['resolve']> = (_name, _options, done) => {
      done(null, [{ address: answers.shift() ?? '', family: 4 }]);
    };
    const { fetch } = guard({ allowPrivate: ['127.0.0.1/32'], resolve });
    const named = url.replace('127.0.0.1', 'rebound.example');
    expect((await fetch(named, usual)).status).toBe(200);
    expect((await failure(fetch(named, usual))).code).toBe('blocked_address');
    expect(connections()).toBe(1);
  });

  it('connects only to the allowed ones of several addresses', async () => {
    const { url } = await serve((request, response) => response.end(request.socket.localAddress));
    const { fetch } = guard({
      allowPrivate: ['127.0.0.1/32'],
      resolve: (_name, _options, done) =>
        done(null, [
          { address: '127.0.0.9', family: 4 },
          { address: '127.0.0.1', family: 4 },
        ]),
    });
    const answer = await fetch(url.replace('127.0.0.1', 'both.example'), usual);
    expect(new TextDecoder().decode(answer.body)).toBe('127.0.0.1');
  });

  it('reaches what ALLOW_PRIVATE_TARGETS names, by address and by name', async () => {
    const { url } = await serve((_request, response) => response.end('ok'));
    const { fetch } = guard();
    for (const host of ['127.0.0.1', 'localhost', '2130706433']) {
      expect((await fetch(url.replace('127.0.0.1', host), usual)).status).toBe(200);
    }
    await expect(failure(fetch('http://10.0.0.1/', usual))).resolves.toMatchObject({ code: 'blocked_address' });
  });

  it('does not start with a CIDR that it cannot read', () => {
    for (const cidr of ['10.0.0.0', '10.0.0.0/40', 'private']) expect(() => guard({ allowPrivate: [cidr] })).toThrow();
  });
});
