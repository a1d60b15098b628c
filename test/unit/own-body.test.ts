import { expect, test } from 'vitest';
import { providers } from '../../src/providers/index.ts';
import { verifyContext } from '../support/provider-context.ts';

const now = new Date('2025-03-04T12:00:00Z');

function verify(
  name: string,
  given: { secrets?: object; settings?: object; headers?: Record<string, string>; clientAddress?: string | null },
) {
  const provider = providers.get(name);
  if (!provider) throw new Error(`no provider ${name}`);
  const channel = {
    secrets: provider.secrets.parse(given.secrets ?? {}),
    settings: provider.settings.parse(given.settings ?? {}),
  };
  const headers = new Headers(given.headers);
  const request = { method: 'POST', url: 'https://post.example/in/1', headers, body: new Uint8Array() };
  return provider.verify(request, channel, verifyContext(now, { clientAddress: given.clientAddress ?? null }));
}

const refusedAs = (reason: string) => ({ ok: false, reason });

test('a token is taken from the one header that the settings name, as it is', () => {
  const secrets = { token: ['new', 'old'] };
  const settings = { header: 'x-api-key' };
  const send = (headers: Record<string, string>) => verify('bearer', { secrets, settings, headers });
  expect(send({ 'X-Api-Key': 'old' })).toEqual({ ok: true });
  expect(send({ 'x-api-key': 'Bearer old' })).toEqual(refusedAs('bad_credentials'));
  expect(send({ 'x-api-key': 'OLD' })).toEqual(refusedAs('bad_credentials'));
  expect(send({ 'x-api-key': 'old, old' })).toEqual(refusedAs('duplicate_header'));
  expect(send({ authorization: 'Bearer old' })).toEqual(refusedAs('missing_credentials'));
  expect(send({ 'x-api-key': '' })).toEqual(refusedAs('missing_credentials'));
});

test('a token can come in no header whose value would be kept with the event', () => {
  const provider = providers.get('bearer');
  const allowed = ['authorization', 'x-api-key', 'x-webhook-secret', 'x-gitlab-token'];
  for (const header of allowed) {
    expect(provider?.settings.safeParse({ header }).success).toBe(true);
    expect(provider?.credentialHeaders).toContain(header);
  }
  expect(provider?.settings.safeParse({ header: 'x-made-up' }).success).toBe(false);
});

test('a token that no header could carry is refused when it is entered', () => {
  const secrets = providers.get('bearer')?.secrets;
  for (const token of ['two words', 'a,b', 'naïve', 'x\n', '']) {
    expect(secrets?.safeParse({ token }).success, token).toBe(false);
  }
});

test('user and password are what stands before and behind the first colon', () => {
  const send = (pair: string, credentials: string | string[] = 'user:pa:ss') => {
    const headers = { authorization: `basic ${Buffer.from(pair).toString('base64')}` };
    return verify('basic', { secrets: { credentials }, headers });
  };
  expect(send('user:pa:ss')).toEqual({ ok: true });
  expect(send('user:pa:ss', ['other:x', 'user:pa:ss'])).toEqual({ ok: true });
  expect(send('user:pa')).toEqual(refusedAs('bad_credentials'));
  expect(send('userpa:ss')).toEqual(refusedAs('bad_credentials'));
  expect(verify('basic', { secrets: { credentials: 'a:b' }, headers: { authorization: 'Bearer YTpi' } })).toEqual(
    refusedAs('bad_credentials'),
  );
});

test('base64 that only decodes to the right pair is refused', () => {
  const send = (text: string) => {
    return verify('basic', { secrets: { credentials: 'a:b' }, headers: { authorization: `Basic ${text}` } });
  };
  expect(send('YTpi')).toEqual({ ok: true });
  for (const text of ['YTpi=', 'YTpi==', 'Y-pi', 'YTp']) expect(send(text)).toEqual(refusedAs('bad_credentials'));
});

test('a pair without a colon is refused when it is entered', () => {
  const secrets = providers.get('basic')?.secrets;
  for (const credentials of ['user', ':pass', 'user:', 'us\ner:x']) {
    expect(secrets?.safeParse({ credentials }).success, credentials).toBe(false);
  }
  expect(secrets?.safeParse({ credentials: providers.get('basic')?.newSecret?.() }).success).toBe(true);
});

test('only the listed addresses may post, however they are written', () => {
  const settings = { allow: ['192.0.2.0/24', '198.51.100.7', '2001:db8::/32'] };
  const from = (clientAddress: string | null) => verify('ip-allow-list', { settings, clientAddress });
  for (const address of ['192.0.2.0', '192.0.2.255', '::ffff:192.0.2.9', '198.51.100.7', '2001:db8:1::1']) {
    expect(from(address), address).toEqual({ ok: true });
  }
  for (const address of [
    '192.0.3.0',
    '198.51.100.8',
    '2001:db9::1',
    '::1',
    '',
    'unknown',
    '192.0.2.1, 10.0.0.1',
    null,
  ]) {
    expect(from(address), String(address)).toEqual(refusedAs('address_not_allowed'));
  }
});

test('ranges that say something else than they seem to are refused', () => {
  const settings = providers.get('ip-allow-list')?.settings;
  const accepts = (allow: unknown) => settings?.safeParse({ allow }).success;
  for (const range of [
    '10',
    '10.1',
    '0x7f.0.0.1',
    '192.0.2.0/33',
    '0.0.0.0/0',
    '::/0',
    '::ffff:10.0.0.0/104',
    'host',
  ]) {
    expect(accepts([range]), range).toBe(false);
  }
  expect(accepts([])).toBe(false);
  expect(accepts(['10.0.0.0/8', '::1', 'fd00::/8'])).toBe(true);
});
