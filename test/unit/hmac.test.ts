import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { providers } from '../../src/providers/index.ts';
import { verifyContext } from '../support/provider-context.ts';

const provider = providers.get('hmac');
if (!provider) throw new Error('no provider');
const now = new Date('2025-03-04T12:00:00Z');
const seconds = String(now.getTime() / 1000);
const key = 'a key of our own';

interface Given {
  readonly settings: Record<string, unknown>;
  readonly headers: Record<string, string>;
  readonly body?: string;
  readonly secret?: string | string[];
  readonly url?: string;
}

function channelOf(given: Pick<Given, 'settings' | 'secret'>) {
  return {
    secrets: provider?.secrets.parse({ secret: given.secret ?? key }) ?? {},
    settings: provider?.settings.parse(given.settings) ?? {},
  };
}

function requestOf({ headers, body = '{}', url = 'https://post.example/in/1' }: Given) {
  return { method: 'POST', url, headers: new Headers(headers), body: new TextEncoder().encode(body) };
}

function verify(given: Given) {
  return provider?.verify(requestOf(given), channelOf(given), verifyContext(now));
}

async function keyOf(given: Given): Promise<string | undefined> {
  return (await provider?.parse(requestOf(given), channelOf(given)))?.messages[0]?.dedupeKey;
}

function mac(text: string, secret: string | Uint8Array = key): string {
  return createHmac('sha256', secret).update(text).digest('hex');
}

const refused = { ok: false, reason: 'bad_signature' };
const whole = { header: 'X-Sig', template: '{id}.{timestamp}.{body}', timestampHeader: 'X-Time', idHeader: 'X-Id' };

test.each([
  ['no signature header', {}, 'header'],
  ['a body that is not signed', { template: '{timestamp}', timestampHeader: 'x-time' }, 'template'],
  ['a body that is signed twice', { template: '{body}{body}' }, 'template'],
  ['an unknown placeholder', { template: '{payload}{body}' }, 'template'],
  ['a brace that is left open', { template: '{{body}' }, 'template'],
  ['a time without its header', { template: '{timestamp}.{body}' }, 'timestampHeader'],
  ['a time that is not signed', { timestampHeader: 'x-time' }, 'template'],
  ['an id without its header', { template: '{id}.{body}' }, 'idHeader'],
  ['an id right before the body', { template: '{id}{body}', idHeader: 'x-id' }, 'template'],
  ['an id right behind the time', { ...whole, template: '{timestamp}{id}.{body}' }, 'template'],
  ['one header for signature and time', { ...whole, timestampHeader: 'x-sig' }, 'timestampHeader'],
  ['one header for signature and id', { ...whole, idHeader: 'X-SIG' }, 'idHeader'],
  ['one header for time and id', { ...whole, idHeader: 'x-time' }, 'idHeader'],
  ['a public URL that nothing signs', { publicUrl: 'https://post.example/hook' }, 'publicUrl'],
  ['a separator inside the prefix', { prefix: 'v1,', separator: ',' }, 'prefix'],
  ['a prefix like a doubled header', { prefix: 'HMAC, ' }, 'prefix'],
  ['a header that is none', { header: 'x sig' }, 'header'],
  ['a hash nobody should use', { algorithm: 'md5' }, 'algorithm'],
  ['a tolerance of days', { toleranceSeconds: 1_000_000 }, 'toleranceSeconds'],
  ['a pointer that is none', { sender: 'from' }, 'sender'],
])('settings with %s are refused', (_name, settings, path) => {
  const given = _name === 'no signature header' ? settings : { header: 'x-sig', ...settings };
  const result = provider.settings.safeParse(given);
  expect(result.error?.issues.map((issue) => issue.path[0])).toContain(path);
});

test('an id cannot take over a part of the body, nor the body a part of an id', () => {
  const settings = { header: 'x-sig', template: '{id}.{body}', idHeader: 'x-id' };
  const signature = mac('a.text=1.5&sender=x');
  const headers = { 'x-sig': signature, 'x-id': 'a' };
  expect(verify({ settings, headers, body: 'text=1.5&sender=x' })).toEqual({ ok: true });
  expect(verify({ settings, headers: { ...headers, 'x-id': 'a.text=1' }, body: '5&sender=x' })).toEqual(refused);
});

test('the last digit of a body cannot become the first of the time', () => {
  const settings = { header: 'x-sig', template: '{body}{timestamp}', timestampHeader: 'x-time' };
  const headers = { 'x-sig': mac(`amount=100${seconds}`), 'x-time': seconds };
  expect(verify({ settings, headers, body: 'amount=100' })).toEqual({ ok: true });
  const moved = { ...headers, 'x-time': `0${seconds}` };
  const stolen = { ok: false, reason: 'bad_timestamp' };
  expect(verify({ settings, headers: moved, body: 'amount=10' })).toEqual(stolen);
  const inMillis = { ...settings, timestampUnit: 'ms' };
  expect(verify({ settings: inMillis, headers: moved, body: 'amount=10' })).toEqual(stolen);
});

test('an id that is not signed is for the log alone', async () => {
  const settings = { header: 'x-sig', idHeader: 'x-id' };
  const body = '{"sender":"u1"}';
  const headers = { 'x-sig': mac(body) };
  const first = await keyOf({ settings, headers: { ...headers, 'x-id': 'one' }, body });
  expect(await keyOf({ settings, headers: { ...headers, 'x-id': 'two' }, body })).toBe(first);
  expect(await keyOf({ settings, headers, body: '{"sender":"u2"}' })).not.toBe(first);
  expect(verify({ settings, headers, body })).toEqual({ ok: true });
});

test('where several signatures are sent one of up to 32 must match, and others are skipped', () => {
  const settings = { header: 'x-sig', prefix: 'v1=', separator: ',' };
  const good = `v1=${mac('{}')}`;
  const sign = (value: string) => verify({ settings, headers: { 'x-sig': value } });
  expect(sign(`v0=${mac('{}')},v1=${mac('x')},,v1=zz,${good}`)).toEqual({ ok: true });
  expect(sign(`v0=${mac('{}')}`)).toEqual(refused);
  expect(sign(`${'v1=x,'.repeat(32)}${good}`)).toEqual(refused);
  expect(sign(`${good}, ${good}`)).toEqual({ ok: false, reason: 'duplicate_header' });
  const alone = { header: 'x-sig', prefix: 'v1=' };
  expect(verify({ settings: alone, headers: { 'x-sig': `${good},${good}` } })).toEqual(refused);
});

test('hex may be in either case, and in one case alone', () => {
  const settings = { header: 'x-sig' };
  const text = mac('{}');
  expect(verify({ settings, headers: { 'x-sig': text.toUpperCase() } })).toEqual({ ok: true });
  expect(verify({ settings, headers: { 'x-sig': `${text.slice(0, 32).toUpperCase()}${text.slice(32)}` } })).toEqual(
    refused,
  );
});

test('base64url may be padded, base64 must be', () => {
  const digest = createHmac('sha256', key).update('{}').digest();
  const padded = `${digest.toString('base64url')}=`;
  for (const value of [padded, padded.slice(0, -1)]) {
    expect(verify({ settings: { header: 'x-sig', encoding: 'base64url' }, headers: { 'x-sig': value } })).toEqual({
      ok: true,
    });
  }
  const settings = { header: 'x-sig', encoding: 'base64' };
  expect(verify({ settings, headers: { 'x-sig': digest.toString('base64') } })).toEqual({ ok: true });
  expect(verify({ settings, headers: { 'x-sig': digest.toString('base64').replace('=', '') } })).toEqual(refused);
});

test('a secret that is not encoded as the settings say matches nothing, and others still do', () => {
  const bytes = Buffer.from('0123456789abcdef', 'hex');
  const headers = { 'x-sig': mac('{}', bytes) };
  const settings = { header: 'x-sig', secretEncoding: 'hex' };
  expect(verify({ settings, headers, secret: ['no hex', '0123456789abcdef'] })).toEqual({ ok: true });
  expect(verify({ settings, headers, secret: ['no hex', 'abc'] })).toEqual(refused);
});

test('the URL is the one the sender knows', () => {
  const settings = { header: 'x-sig', template: '{method} {url}\n{body}', publicUrl: 'https://hooks.example/a' };
  const headers = { 'x-sig': mac('POST https://hooks.example/a?x=1\n{}') };
  expect(verify({ settings, headers, url: 'http://10.0.0.1/in/1?x=1' })).toEqual({ ok: true });
  expect(verify({ settings, headers, url: 'http://10.0.0.1/in/1?x=2' })).toEqual(refused);
});

test('a secret that we make is a key in each encoding', () => {
  const made = provider.newSecret?.() ?? '';
  for (const secretEncoding of ['text', 'hex', 'base64'] as const) {
    const bytes = secretEncoding === 'text' ? Buffer.from(made) : Buffer.from(made, secretEncoding);
    const settings = { header: 'x-sig', secretEncoding };
    expect(verify({ settings, headers: { 'x-sig': mac('{}', bytes) }, secret: made })).toEqual({ ok: true });
  }
});
