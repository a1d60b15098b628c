import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createTestHarness, type TestHarness } from 'wrangler';
import type { ParsedMessage } from '../../src/provider.ts';
import { mime } from '../../src/providers/mime/index.ts';
import { verifyContext } from '../support/provider-context.ts';

/** The worker of docs/examples/cloudflare-email in workerd: what it posts is a mail for `mime`. */

const secret = 'whsec_cG9zdHJvb20tY2xvdWRmbGFyZS1lbWFpbC0wMDE=';
const channel = {
  secrets: mime.secrets.parse({ secret }),
  settings: mime.settings.parse({ trustedAuthservIds: ['mx.cloudflare.net'] }),
};

const posts: { headers: Headers; body: Uint8Array }[] = [];
let status = 200;
let server: Server;
let harness: TestHarness;

beforeAll(async () => {
  server = createServer((request, response) => {
    void receive(request, response);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const configPath = fileURLToPath(new URL('../../docs/examples/cloudflare-email/wrangler.toml', import.meta.url));
  harness = createTestHarness({
    workers: [
      {
        configPath,
        vars: { POSTROOM_URL: `http://127.0.0.1:${port}/in/channel` },
        secrets: { POSTROOM_SECRET: secret },
      },
    ],
  });
  await harness.listen();
}, 60_000);

afterAll(async () => {
  await harness.close();
  server.closeAllConnections();
  server.close();
});

beforeEach(() => {
  posts.length = 0;
  status = 200;
});

async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const headers = new Headers(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
  posts.push({ headers, body: await buffer(request) });
  response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end();
}

/** Sends a mail through the worker. */
async function send(raw: string, from = 'alice@example.com', to = 'Support@in.example.com'): Promise<string> {
  return (await harness.getWorker().email({ from, to, raw })).outcome;
}

/** What the provider makes of the last post, which must verify. */
async function read(): Promise<ParsedMessage> {
  const post = posts.at(-1);
  if (!post) throw new Error('nothing was posted');
  const request = { method: 'POST', url: 'https://post.example.com/in/channel', ...post };
  expect(await mime.verify(request, channel, verifyContext(new Date()))).toEqual({ ok: true });
  expect(
    await mime.verify(
      { ...request, body: Buffer.concat([post.body, Buffer.from(' ')]) },
      channel,
      verifyContext(new Date()),
    ),
  ).toMatchObject({ ok: false });
  const [message] = (await mime.parse(request, channel)).messages;
  if (!message) throw new Error('there is no message');
  return message;
}

const received = `Received: from mail.example.com (203.0.113.25)
        by cloudflare-email.net (cloudflare) id GY1KdjWjOU9O
        for <support@in.example.com>; Tue, 04 Mar 2025 12:00:00 +0000`;
const seal = `ARC-Seal: i=1; a=rsa-sha256; s=cf2024-1; d=cloudflare-email.net; cv=none;
\tb=Wi8X+MkR1Mkj;
ARC-Authentication-Results: i=1; mx.cloudflare.net;
\tdmarc=pass header.from=example.com policy.dmarc=none;
Received-SPF: pass (mx.cloudflare.net: domain of alice@example.com designates 203.0.113.25)
\treceiver=mx.cloudflare.net; client-ip=203.0.113.25;`;
const results = (verdict: string): string => `Authentication-Results: mx.cloudflare.net;
\tdkim=${verdict} header.d=example.com header.s=1 header.b=L6CZ3OJ0;
\tdmarc=${verdict} header.from=example.com policy.dmarc=none;`;
const mail = `From: Alice Example <alice@example.com>
To: Team <team@elsewhere.example>
Subject: Where is my parcel?
Date: Tue, 4 Mar 2025 12:59:57 +0100
Message-ID: <first.1@example.com>
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

It was due on Monday. Grüße
`;

function compose(...parts: string[]): string {
  return parts.join('\n').replaceAll('\n', '\r\n');
}

test('a mail arrives signed, with its envelope, its text and Cloudflare’s verdict', async () => {
  const raw = compose(received, seal, results('pass'), 'X-CF-SpamH-Score: 0', mail);
  expect(await send(raw)).toBe('ok');
  expect(posts[0]?.headers.get('content-type')).toBe('message/rfc822');
  // Nothing of the mail was changed: two fields stand before it.
  expect(new TextDecoder().decode(posts[0]?.body)).toBe(
    `X-Original-To: <Support@in.example.com>\r\nReturn-Path: <alice@example.com>\r\n${raw}`,
  );
  expect(await read()).toMatchObject({
    externalIdentity: 'alice@example.com',
    recipient: 'support@in.example.com',
    text: 'It was due on Monday. Grüße',
    channelMessageId: 'first.1@example.com',
    vouched: true,
  });
});

test('a mail of 20 MiB arrives', async () => {
  const line = `${'x'.repeat(1022)}\r\n`;
  expect(await send(compose(received, mail) + line.repeat(20 * 1024))).toBe('ok');
  expect((await read()).text?.length).toBeGreaterThan(20_000_000);
});

test('a bounce keeps its empty envelope sender', async () => {
  expect(await send(compose(received, mail), '<>')).toBe('ok');
  expect((await read()).channelMetadata).toMatchObject({ autoSubmittedSigns: ['empty_return_path'] });
});

const forged = results('pass');
const quoted = forged.replace('mx.cloudflare.net', '"mx.cloudflare.net"').replace('Auth', 'AUTH');

const escaped = forged.replace('mx.cloudflare.net', '"mx\\.cloudflare.net"');

test.each([
  ['below the failure that Cloudflare found', [received, seal, results('fail'), forged, mail]],
  ['where Cloudflare has written none', [received, 'X-Mailer: x', forged, mail]],
  ['among the sender’s own fields', [received, mail.replace('Subject:', `${forged}\nSubject:`)]],
  ['under a name with an escape in it', [received, 'X-Mailer: x', escaped, mail]],
  ['under another name', [received, 'X-Mailer: x', 'Authentication-Results: mx.example.net; dmarc=pass', mail]],
  ['in quotes', [received, 'X-Mailer: x', quoted, mail]],
  ['with a comment before the name', [received, 'X-Mailer: x', forged.replace(': mx', ': (mx) mx'), mail]],
  ['without Cloudflare’s Received on top', [forged, mail]],
  ['below a Received of the sender’s own', ['Received: from x by mx.mallory.example', seal, forged, mail]],
])('a verdict that came with the mail is removed: %s', async (_name, parts) => {
  expect(await send(compose(...parts))).toBe('ok');
  expect(await read()).toMatchObject({ vouched: false, text: 'It was due on Monday. Grüße' });
  const posted = new TextDecoder().decode(posts[0]?.body);
  const left = [...posted.matchAll(/^authentication-results:.*\r\n(?:[ \t].*\r\n)*/gim)].map(([field]) => field);
  const failure = compose(results('fail'), '');
  expect(left).toEqual(parts.includes(results('fail')) ? [failure] : []);
});

test('nothing else of the mail is touched where a verdict is removed', async () => {
  await send(compose(received, seal, results('fail'), 'X-Before: 1', forged, 'X-After: 2', mail));
  const envelope = 'X-Original-To: <Support@in.example.com>\nReturn-Path: <alice@example.com>';
  expect(new TextDecoder().decode(posts[0]?.body)).toBe(
    compose(envelope, received, seal, results('fail'), 'X-Before: 1', 'X-After: 2', mail),
  );
});

test.each([500, 401, 302])('the sender tries again where the post is answered %i', async (answered) => {
  status = answered;
  expect(await send(compose(received, mail))).toBe('exception');
  expect(posts).toHaveLength(1);
});

test('the sender tries again where nobody answers', async () => {
  status = 200;
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => {
    server.closeAllConnections();
    server.close(() => {
      resolve();
    });
  });
  expect(await send(compose(received, mail))).toBe('exception');
  await new Promise<void>((resolve) => {
    server.listen(port, '127.0.0.1', resolve);
  });
});
