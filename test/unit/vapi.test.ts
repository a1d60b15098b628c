import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { vapi as provider } from '../../src/providers/vapi/index.ts';
import { url } from '../contracts/signer.ts';
import { verifyContext } from '../support/provider-context.ts';

const now = new Date('2025-03-04T12:00:00Z');
const body = '{"message":{"type":"hang"}}';
const accepted = { ok: true };

function verify(headers: Record<string, string>, settings: Record<string, unknown> = {}, secrets = ['one', 'two']) {
  const request = { method: 'POST', url, headers: new Headers(headers), body: new TextEncoder().encode(body) };
  return provider.verify(
    request,
    { secrets: { secret: secrets }, settings: provider.settings.parse(settings) },
    verifyContext(now),
  );
}

function mac(text: string, key: string | Buffer = 'two', algorithm = 'sha256') {
  return createHmac(algorithm, key).update(text);
}

test('a token in Authorization, with or without its word, or in X-Vapi-Secret', async () => {
  for (const headers of [
    { authorization: 'Bearer two' },
    { authorization: 'bearer one' },
    { authorization: 'two' },
    { 'x-vapi-secret': 'one' },
  ]) {
    expect(await verify(headers)).toEqual(accepted);
  }
  expect(await verify({ authorization: 'Bearer three' })).toEqual({ ok: false, reason: 'bad_credentials' });
  expect(await verify({ authorization: 'Basic dHdv' })).toEqual({ ok: false, reason: 'bad_credentials' });
  expect(await verify({ 'x-vapi-secret': 'one, one' })).toEqual({ ok: false, reason: 'duplicate_header' });
  expect(await verify({})).toEqual({ ok: false, reason: 'missing_credentials' });
});

test('a signature that does not match is never made up for by a token', async () => {
  const headers = { authorization: 'Bearer one', 'x-signature': '00'.repeat(32), 'x-timestamp': '1741089600' };
  expect(await verify(headers)).toEqual({ ok: false, reason: 'bad_signature' });
});

test('the time in seconds, milliseconds or ISO 8601', async () => {
  for (const time of ['1741089600', '1741089600000', '2025-03-04T12:00:00.000Z']) {
    const headers = { 'x-signature': mac(`${time}.${body}`).digest('hex'), 'x-timestamp': time };
    expect(await verify(headers)).toEqual(accepted);
  }
  for (const time of ['1741089000', '1741089000000', '2025-03-04T11:50:00.000Z']) {
    const headers = { 'x-signature': mac(`${time}.${body}`).digest('hex'), 'x-timestamp': time };
    expect(await verify(headers)).toEqual({ ok: false, reason: 'stale_timestamp' });
  }
  const odd = { 'x-signature': mac(`soon.${body}`).digest('hex'), 'x-timestamp': 'soon' };
  expect(await verify(odd)).toEqual({ ok: false, reason: 'bad_timestamp' });
});

test('every option that a credential has at Vapi', async () => {
  const svix = { payloadFormat: '{svix-id}.{timestamp}.{body}', signatureEncoding: 'base64', signaturePrefix: 'v1,' };
  const secret = Buffer.from('postroom').toString('base64');
  const signed = mac(`msg_1.1741089600.${body}`, Buffer.from('postroom')).digest('base64');
  const headers = { 'x-signature': `v1,${signed}`, 'x-timestamp': '1741089600', 'svix-id': 'msg_1' };
  expect(await verify(headers, { ...svix, secretIsBase64: true }, [secret])).toEqual(accepted);
  expect(await verify({ ...headers, 'svix-id': 'msg_2' }, { ...svix, secretIsBase64: true }, [secret])).toEqual({
    ok: false,
    reason: 'bad_signature',
  });
  const { 'svix-id': _id, ...unnamed } = headers;
  expect(await verify(unnamed, { ...svix, secretIsBase64: true }, [secret])).toEqual({
    ok: false,
    reason: 'missing_id',
  });

  const whole = { payloadFormat: '{method} {url}\n{body}', algorithm: 'sha512', signatureHeader: 'X-Hook' };
  const digest = mac(`POST ${url}\n${body}`, 'one', 'sha512').digest('hex');
  expect(await verify({ 'x-hook': digest }, whole)).toEqual(accepted);
  expect(await verify({ 'x-hook': digest.toUpperCase() }, whole)).toEqual({ ok: false, reason: 'bad_signature' });
  const moved = { ...whole, publicUrl: 'https://hooks.example.com/vapi' };
  expect(await verify({ 'x-hook': digest }, moved)).toEqual({ ok: false, reason: 'bad_signature' });

  const github = { payloadFormat: '{body}', algorithm: 'sha1', signaturePrefix: 'sha1=' };
  expect(await verify({ 'x-signature': `sha1=${mac(body, 'one', 'sha1').digest('hex')}` }, github)).toEqual(accepted);
  expect(await verify({ 'x-signature': mac(body, 'one', 'sha1').digest('hex') }, github)).toEqual({
    ok: false,
    reason: 'bad_signature',
  });
});

test('a format that does not sign the body, or a header that holds a token, is no setting', () => {
  expect(provider.settings.safeParse({ payloadFormat: '{timestamp}' }).success).toBe(false);
  expect(provider.settings.safeParse({ signatureHeader: 'Authorization' }).success).toBe(false);
});
