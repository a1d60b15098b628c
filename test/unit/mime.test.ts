import { expect, test } from 'vitest';
import { providers } from '../../src/providers/index.ts';

async function parse(mail: string | Uint8Array, settings: Record<string, unknown> = {}) {
  const mime = providers.get('mime');
  if (!mime) throw new Error('no provider');
  const body = typeof mail === 'string' ? new TextEncoder().encode(mail) : mail;
  const request = { method: 'POST', url: 'https://post.example/in/1?to=evil@x.example', headers: new Headers(), body };
  const parsed = await mime.parse(request, { secrets: {}, settings: mime.settings.parse(settings) });
  const [message] = parsed.messages;
  if (!message) throw new Error('no message');
  return message;
}

const mail = (headers: string[], body = 'hello') =>
  `${['From: alice@example.com', 'Message-ID: <1@example.com>', ...headers].join('\r\n')}\r\n\r\n${body}\r\n`;

test("the recipient is the envelope's, else the first in To, and never the query's", async () => {
  const to = ['To: first@example.org, desk@in.example'];
  expect((await parse(mail(to))).recipient).toBe('first@example.org');
  expect((await parse(mail(to), { inboundDomain: 'IN.example' })).recipient).toBe('desk@in.example');
  expect((await parse(mail(['Delivered-To: real@in.example', ...to]))).recipient).toBe('real@in.example');
  expect(
    (await parse(mail(['Delivered-To: real@in.example', 'X-Original-To: Alias@in.example', ...to]))).recipient,
  ).toBe('alias@in.example');
  expect((await parse(mail(['Delivered-To: relay@x.example', ...to]), { inboundDomain: 'in.example' })).recipient).toBe(
    'desk@in.example',
  );
  expect((await parse(mail(['To: undisclosed-recipients:;']))).recipient).toBeNull();
});

test('a mail that comes again by another hop is the same, one to another mailbox is not', async () => {
  const key = async (text: string) => (await parse(text)).dedupeKey;
  const first = await key(mail(['To: desk@in.example', 'Date: Tue, 04 Mar 2025 12:00:00 +0000']));
  const again = ['Received: from b', 'To: desk@in.example', 'Date: Tue, 04 Mar 2025 12:00:00 +0000'];
  expect(await key(mail(again))).toBe(first);
  expect(await key(mail(['X-Original-To: other@in.example', ...again]))).not.toBe(first);
  expect(await key(mail(again, 'another text under the same id'))).not.toBe(first);
});

test('a mail without Message-ID gets an id from its bytes', async () => {
  const message = await parse('From: alice@example.com\n\nhello\n');
  expect(message.channelMessageId).toMatch(/^[0-9a-f]{64}$/);
  expect(message.channelThreadId).toBe(message.channelMessageId);
});

test('the thread is the first reference, else what it replies to', async () => {
  expect((await parse(mail(['In-Reply-To: <9@x>', 'References: <7@x> <8@x>']))).channelThreadId).toBe('7@x');
  expect((await parse(mail(['In-Reply-To: <9@x>']))).channelThreadId).toBe('9@x');
  expect((await parse(mail([]))).channelThreadId).toBe('1@example.com');
});

test.each([
  ['Auto-Submitted: auto-replied', ['auto_submitted']],
  ['Auto-Submitted: no', []],
  ['Auto-Submitted: no; x=y', []],
  ['Precedence: bulk', ['precedence']],
  ['Precedence: first-class', []],
  ['List-Id: <l.example.com>', ['list']],
  ['X-Auto-Response-Suppress: All', ['auto_response_suppress']],
  ['Return-Path: <>', ['empty_return_path']],
  ['Return-Path: <alice@example.com>', []],
])('%s: automatic signs %j, and it is kept', async (header, signs) => {
  const { channelMetadata } = await parse(mail([header]));
  expect(channelMetadata['autoSubmittedSigns']).toEqual(signs);
  expect(channelMetadata['autoSubmitted']).toBe(signs.length > 0);
});

test('a date without a zone, or that is none, is no time', async () => {
  for (const date of ['Tue, 04 Mar 2025 12:00:00', 'yesterday', '', 'Mon, 01 Jan 99999 00:00:00 GMT']) {
    expect((await parse(mail([`Date: ${date}`]))).sentAt).toBeNull();
  }
});

test('HTML nested 100,000 deep and megabytes of it take no noticeable time', async () => {
  for (const tag of ['<div>', '<b>', '<table><tr><td>', '<p>hi ']) {
    const started = performance.now();
    await parse(mail(['Content-Type: text/html'], tag.repeat(100_000)));
    expect(performance.now() - started).toBeLessThan(2_000);
  }
});

test('a mail of nothing but lines is refused at once, one with a long attachment is read', async () => {
  await expect(parse(mail([], '\n'.repeat(1_000_000)))).rejects.toThrow('too many lines');
  const base64 = `${'A'.repeat(76)}\r\n`.repeat(100_000);
  const message = await parse(mail(['Content-Type: image/png', 'Content-Transfer-Encoding: base64'], base64));
  expect(message.attachments).toMatchObject([{ contentType: 'image/png', size: 5_700_000, providerId: 'part:0' }]);
});
