import { expect, test } from 'vitest';
import { providers } from '../../src/providers/index.ts';

/** When a mail's sender counts as vouched for. `mx.post.example` is the server that we trust. */

async function isVouched(lines: string[], trustedAuthservIds = ['mx.post.example']): Promise<boolean> {
  const mime = providers.get('mime');
  const settings = mime?.settings.parse({ trustedAuthservIds }) ?? {};
  const body = new TextEncoder().encode(`${lines.join('\r\n')}\r\nSubject: x\r\n\r\nhello\r\n`);
  const request = { method: 'POST', url: 'https://post.example/', headers: new Headers(), body };
  const parsed = await mime?.parse(request, { secrets: {}, settings });
  return parsed?.messages[0]?.vouched ?? false;
}

const from = 'From: Alice <alice@example.com>';
const results = (text: string) => `Authentication-Results: mx.post.example; ${text}`;

test.each([
  ['DMARC passed for the domain', 'dmarc=pass header.from=example.com'],
  [
    'in any case, with a version, a reason and comments',
    'DMARC/1 = PASS (p=none (x)) reason="ok; fine" header.from=Example.COM',
  ],
  ['DKIM of the domain', 'dkim=pass header.d=example.com header.s=s1'],
  ['DKIM by its identity', 'dkim=pass header.i=@example.com'],
  [
    'one of several DKIM signatures',
    'dkim=pass header.d=esp.example.net; dkim=fail header.d=a.org; dkim=pass header.d=example.com',
  ],
  ['DKIM where DMARC has no policy', 'dmarc=none header.from=example.com; dkim=pass header.d=example.com'],
])('vouched: %s', async (_name, text) => {
  expect(await isVouched([results(text), from])).toBe(true);
});

test('a parent domain speaks for its subdomain, and not the other way round', async () => {
  const sub = 'From: alice@mail.example.com';
  expect(await isVouched([results('dkim=pass header.d=example.com'), sub])).toBe(true);
  expect(await isVouched([results('dkim=pass header.d=mail.example.com'), from])).toBe(false);
});

test.each([
  ['nothing was checked', 'none'],
  ['DMARC failed', 'dmarc=fail header.from=example.com'],
  ['DMARC failed although DKIM passed', 'dkim=pass header.d=example.com; dmarc=fail header.from=example.com'],
  ['DMARC passed for another domain', 'dmarc=pass header.from=evil.example'],
  ['DMARC passed without saying for whom', 'dmarc=pass'],
  ['DKIM of a stranger', 'dkim=pass header.d=evil.example'],
  ['DKIM of a domain with the same end', 'dkim=pass header.d=xample.com'],
  ['DKIM of a top-level domain', 'dkim=pass header.d=com'],
  ['only SPF passed', 'spf=pass smtp.mailfrom=alice@example.com'],
  ['a neutral DKIM', 'dkim=neutral header.d=example.com'],
  ['a pass within a quoted value', 'spf=none smtp.mailfrom="x; dmarc=pass header.from=example.com"@evil.example'],
  ['a pass within a comment', 'spf=none (; dmarc=pass header.from=example.com ) smtp.helo=x'],
  ['a quote that is not closed', 'dmarc=pass header.from=example.com; spf=none smtp.helo="x'],
  ['a comment that is not closed', 'dmarc=pass header.from=example.com (x'],
  ['a domain that is named twice, differently', 'dkim=pass header.d=example.com header.d=evil.example'],
])('not vouched: %s', async (_name, text) => {
  expect(await isVouched([results(text), from])).toBe(false);
});

test('only the topmost header under a trusted name counts', async () => {
  const pass = 'dmarc=pass header.from=example.com';
  const foreign = `Authentication-Results: mx.evil.example; ${pass}`;
  expect(await isVouched([foreign, from])).toBe(false);
  expect(await isVouched([foreign, results(pass), from])).toBe(true);
  expect(await isVouched([results('dmarc=fail header.from=example.com'), results(pass), from])).toBe(false);
  expect(await isVouched([results('none'), results(pass), from])).toBe(false);
  expect(await isVouched([results(pass), from], [])).toBe(false);
  expect(await isVouched([results(pass), from], ['MX.Post.Example'])).toBe(true);
});

test('a folded header is read as one', async () => {
  expect(
    await isVouched(['Authentication-Results: mx.post.example;', '\tdmarc=pass', ' header.from=example.com', from]),
  ).toBe(true);
});

test.each([
  ['two addresses in From', ['From: alice@example.com, bob@example.com']],
  ['a group in From', ['From: Team: alice@example.com, bob@example.com;']],
  ['two From headers', [from, 'From: alice@example.com']],
  ['no From', ['Sender: alice@example.com']],
  ['an address that is none', ['From: alice']],
  ['an address in the name alone', ['From: "alice@example.com" <x@evil.example>']],
  ['an address in an encoded name', ['From: =?utf-8?B?YWxpY2VAZXhhbXBsZS5jb20=?= <x@evil.example>']],
])('not vouched: %s', async (_name, headers) => {
  expect(await isVouched([results('dmarc=pass header.from=example.com'), ...headers])).toBe(false);
});
