import { expect, test } from 'vitest';
import { plivo as provider } from '../../src/providers/plivo/index.ts';
import { hmacBase64, url } from '../contracts/signer.ts';
import { verifyContext } from '../support/provider-context.ts';

const authToken = 'MWQ0ZTM1YmY5N2Q4ZjA2YWJjZDEyMzQ1Njc4OTBh';
const uuid = 'db3ce55a-7f1d-11e1-8ea7-1231380bc101';
const form = `From=14151234567&MessageUUID=${uuid}&Text=hi&To=14157654321`;
const nonce = '05429567804466091622';
const v2 = {
  'x-plivo-signature-v2': hmacBase64('sha256', authToken, `${url}${nonce}`),
  'x-plivo-signature-v2-nonce': nonce,
};

function signV3(text: string, signedNonce = nonce): string {
  return hmacBase64('sha256', authToken, `${url}?${text}.${signedNonce}`);
}

const fields = `From14151234567MessageUUID${uuid}TexthiTo14157654321`;

async function receive(headers: Record<string, string>, body = form, settings: Record<string, unknown> = {}) {
  const request = { method: 'POST', url, headers: new Headers(headers), body: new TextEncoder().encode(body) };
  const channel = { secrets: { authToken: [authToken] }, settings: provider.settings.parse(settings) };
  const verdict = await provider.verify(request, channel, verifyContext(new Date()));
  return { verdict, parsed: await provider.parse(request, channel) };
}

test('V2 alone is refused unless the channel takes it', async () => {
  expect((await receive(v2)).verdict).toEqual({ ok: false, reason: 'missing_signature' });
  expect((await receive(v2, form, { allowV2: true })).verdict).toEqual({ ok: true });
});

test('with V2 a message is known by its nonce, whatever the body says', async () => {
  const first = await receive(v2, form, { allowV2: true });
  const replayed = await receive(v2, 'From=1&MessageUUID=another&Text=forged', { allowV2: true });
  expect(replayed.verdict).toEqual({ ok: true });
  expect(first.parsed.messages[0]?.dedupeKey).toBe(`v2:${nonce}`);
  expect(replayed.parsed.messages[0]?.dedupeKey).toBe(`v2:${nonce}`);
});

test('a V3 signature that does not match is never made up for by V2', async () => {
  const headers = { ...v2, 'x-plivo-signature-v3': signV3('forged'), 'x-plivo-signature-v3-nonce': nonce };
  expect((await receive(headers, form, { allowV2: true })).verdict).toEqual({ ok: false, reason: 'bad_signature' });
});

test('a nonce that swallows the last fields is refused', async () => {
  const text = 'From14151234567Texthi. bye';
  const headers = { 'x-plivo-signature-v3': signV3(text), 'x-plivo-signature-v3-nonce': nonce };
  expect((await receive(headers, 'From=14151234567&Text=hi. bye')).verdict).toEqual({ ok: true });
  const moved = { ...headers, 'x-plivo-signature-v3-nonce': ` bye.${nonce}` };
  expect((await receive(moved, 'From=14151234567&Text=hi')).verdict).toEqual({ ok: false, reason: 'bad_signature' });
});

test('an id that swallows its neighbours makes no new message', async () => {
  const headers = { 'x-plivo-signature-v3': signV3(fields), 'x-plivo-signature-v3-nonce': nonce };
  const keys = new Set<string | undefined>([(await receive(headers)).parsed.messages[0]?.dedupeKey]);
  for (const id of [`${uuid}Texthi`, `${uuid}TexthiTo14157654321`]) {
    const rest = id.endsWith('321') ? '' : '&To=14157654321';
    const { verdict, parsed } = await receive(headers, `From=14151234567&MessageUUID=${id}${rest}`);
    expect(verdict).toEqual({ ok: true });
    keys.add(parsed.messages[0]?.dedupeKey);
  }
  expect([...keys]).toEqual([uuid]);
});

test('what a stranger may ask for is bounded', async () => {
  const headers = { 'x-plivo-signature-v3': signV3(''), 'x-plivo-signature-v3-nonce': nonce };
  const many = await receive(headers, 'a=1&'.repeat(1_000));
  expect(many.verdict).toEqual({ ok: false, reason: 'bad_body' });
  const list = { ...headers, 'x-plivo-signature-v3': Array.from({ length: 17 }, () => signV3(fields)).join(',') };
  expect((await receive(list)).verdict).toEqual({ ok: false, reason: 'bad_signature' });
});

test('the URL as it was entered at Plivo may differ from the one received', async () => {
  const entered = 'https://hooks.example.com/plivo';
  const text = `${entered}?${fields}.${nonce}`;
  const headers = {
    'x-plivo-signature-v3': hmacBase64('sha256', authToken, text),
    'x-plivo-signature-v3-nonce': nonce,
  };
  expect((await receive(headers)).verdict).toEqual({ ok: false, reason: 'bad_signature' });
  expect((await receive(headers, form, { publicUrl: entered })).verdict).toEqual({ ok: true });
});
