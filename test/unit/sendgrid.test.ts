import { expect, test } from 'vitest';
import { providers } from '../../src/providers/index.ts';
import { verifyContext } from '../support/provider-context.ts';

const provider = providers.get('sendgrid');
if (!provider) throw new Error('no provider');
const publicKey =
  'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEGKKVmqtPVXk5LHrrXkoup9ae/S4IboaCdCibql4nxWzUwIbg4BQgk5QxCwC7jnZc/s+KjgcIDJzrwKCbo+C89w==';

function form(fields: Record<string, string>): Uint8Array {
  const parts = Object.entries(fields).map(
    ([name, value]) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  return new TextEncoder().encode(`${parts.join('')}--b--\r\n`);
}

function requestOf(body: Uint8Array, headers: Record<string, string> = {}) {
  return { method: 'POST', url: 'https://post.example/in/1', headers: new Headers(headers), body };
}

async function verify(secrets: Record<string, unknown>, headers: Record<string, string>) {
  const channel = { secrets: provider?.secrets.parse(secrets) ?? {}, settings: {} };
  return await provider?.verify(requestOf(form({ text: 'hi' }), headers), channel, verifyContext(new Date()));
}

const basic = (pair: string) => ({ authorization: `Basic ${Buffer.from(pair).toString('base64')}` });

test('without a public key the credentials of the URL count, with one they do not', async () => {
  const credentials = ['postroom:new: one', 'postroom:old'];
  expect(await verify({ credentials }, basic('postroom:new: one'))).toEqual({ ok: true });
  expect(await verify({ credentials }, basic('postroom:old'))).toEqual({ ok: true });
  expect(await verify({ credentials }, basic('postroom:wrong'))).toEqual({ ok: false, reason: 'bad_credentials' });
  expect(await verify({ credentials }, {})).toEqual({ ok: false, reason: 'missing_credentials' });
  const both = { credentials, publicKey };
  expect(await verify(both, basic('postroom:old'))).toEqual({ ok: false, reason: 'missing_signature' });
});

test('a channel with neither refuses everything', async () => {
  expect(await verify({}, basic(':'))).toEqual({ ok: false, reason: 'no_secret' });
});

test('a public key is taken as SendGrid gives it, or as a PEM, and nothing else is', () => {
  const label = 'PUBLIC KEY';
  const pem = `-----BEGIN ${label}-----\n${publicKey.slice(0, 64)}\n${publicKey.slice(64)}\n-----END ${label}-----\n`;
  const takes = (key: string) => provider.secrets.safeParse({ publicKey: key }).success;
  expect([publicKey, pem, ` ${publicKey}\n`].map(takes)).toEqual([true, true, true]);
  const offCurve = Buffer.from(publicKey, 'base64').fill(1, 40).toString('base64');
  expect(['x', publicKey.slice(4), offCurve, `${publicKey}AAAA`].map(takes)).toEqual([false, false, false, false]);
  expect(provider.secrets.safeParse({ credentials: 'nocolon' }).success).toBe(false);
});

async function isVouched(dkim: string, headers: string[]): Promise<boolean | undefined> {
  const body = form({ headers: headers.join('\n'), dkim, text: 'hi' });
  const parsed = await provider?.parse(requestOf(body), { secrets: {}, settings: {} });
  return parsed?.messages[0]?.vouched;
}

const from = 'From: alice@example.com';
const signature = (tags: string) => `DKIM-Signature: v=1; ${tags}; b=Zm9v`;

test.each([
  ['a signature of the domain', '{@example.com : pass}', 'd=example.com'],
  ['in any case', '{@Example.COM : PASS}', 'd=EXAMPLE.com'],
  ['with an identity in a subdomain', '{@example.com : pass}', 'd=example.com; i=@example.com'],
  ['one of two', '{@esp.example : fail, @example.com : pass}', 'd=example.com'],
])('vouched: %s', async (_name, dkim, tags) => {
  expect(await isVouched(dkim, [signature(tags), from])).toBe(true);
});

test.each([
  ['no result', '', [signature('d=example.com'), from]],
  ['none', 'none', [signature('d=example.com'), from]],
  ['failed', '{@example.com : fail}', [signature('d=example.com'), from]],
  ['a stranger passed', '{@evil.example : pass}', [signature('d=evil.example'), from]],
  ['a domain with the same end', '{@xample.com : pass}', [signature('d=xample.com'), from]],
  ['a subdomain passed', '{@mail.example.com : pass}', [signature('d=mail.example.com'), from]],
  ['the mail has no signature', '{@example.com : pass}', [from]],
  ['the signature is of another domain', '{@example.com : pass}', [signature('d=evil.example'), from]],
  [
    'a signature names no plain domain',
    '{@example.com : pass}',
    [signature('d=a : pass'), signature('d=example.com'), from],
  ],
  ['an identity holds a result', '{@example.com : pass}', [signature('d=example.com; i="x : pass"@example.com'), from]],
  ['a tag comes twice', '{@example.com : pass}', [signature('d=example.com; d=evil.example'), from]],
  ['a form that is not known', '@example.com : pass', [signature('d=example.com'), from]],
  ['two senders', '{@example.com : pass}', [signature('d=example.com'), `${from}, bob@example.com`]],
  ['two From headers', '{@example.com : pass}', [signature('d=example.com'), from, from]],
])('not vouched: %s', async (_name, dkim, headers) => {
  expect(await isVouched(dkim, headers)).toBe(false);
});

test('a hundred recipients are a message each, and no more', async () => {
  const to = Array.from({ length: 150 }, (_, index) => `box${index}@in.post.example`);
  const body = form({ envelope: JSON.stringify({ to, from: '' }), headers: from, text: 'hi' });
  const parsed = await provider.parse(requestOf(body), { secrets: {}, settings: {} });
  expect(parsed.messages.map((message) => message.recipient)).toEqual(to.slice(0, 100));
  expect(new Set(parsed.messages.map((message) => message.dedupeKey)).size).toBe(100);
  expect(parsed.ignored).toEqual([{ reason: 'too_many_recipients' }]);
});

test('the boundary of the signed body counts, not the one of the header', async () => {
  const text = '--evil\r\nContent-Disposition: form-data; name="text"\r\n\r\nforged\r\n--evil--';
  const request = requestOf(form({ headers: from, text }), { 'content-type': 'multipart/form-data; boundary=evil' });
  const parsed = await provider.parse(request, { secrets: {}, settings: {} });
  expect(parsed.messages[0]?.text).toBe(text.replaceAll('\r\n', '\n'));
});

test('headers over 256 KiB are refused and not cut: a second From could be below', async () => {
  const request = (count: number) =>
    requestOf(form({ headers: `${from}\n${'To: a@example.com\n'.repeat(count)}${from}`, text: 'hi' }));
  const parsed = await provider.parse(request(10), { secrets: {}, settings: {} });
  expect(parsed.messages).toHaveLength(1);
  await expect(provider.parse(request(100_000), { secrets: {}, settings: {} })).rejects.toThrow(
    'the body is an e-mail of too long headers',
  );
});
