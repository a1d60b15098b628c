import { expect, test } from 'vitest';
import { verifyMailgun } from '../../../src/providers/mailgun/verify.ts';
import { url } from '../signer.ts';

/**
 * Source: rails/rails, actionmailbox/test/controllers/ingresses/mailgun/inbound_emails_controller_test.rb.
 * Mailgun's SDK for Node is not installed here; its scheme is these three fields.
 */
const vector = {
  signingKey: 'tbsy84uSV1Kt3ZJZELY2TmShPRs91E3yL4tzf96297vBCkDWgL',
  timestamp: '1539112500',
  token: '7VwW7k6Ak7zcTwoSoNm7aTtbk1g67MKAnsYLfUB7PdszbgR5Xi',
  signature: 'ef24c5225322217bb065b80bb54eb4f9206d764e3e16abab07f0a64d1cf477cc',
};

const forms: [string, (fields: Record<string, string>) => string][] = [
  ['application/x-www-form-urlencoded', (fields) => new URLSearchParams(fields).toString()],
  ['application/json; charset=utf-8', (fields) => JSON.stringify({ signature: fields })],
  [
    'multipart/form-data; boundary="b"',
    (fields) =>
      `${Object.entries(fields)
        .map(([name, value]) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`)
        .join('')}--b--\r\n`,
  ],
];

function verifyVector(contentType: string, body: string) {
  const request = {
    method: 'POST',
    url,
    headers: new Headers({ 'content-type': contentType }),
    body: new TextEncoder().encode(body),
  };
  const channel = { secrets: { signingKey: [vector.signingKey] }, settings: {} };
  return verifyMailgun(request, channel, { now: new Date(Number(vector.timestamp) * 1000) });
}

const { timestamp, token, signature } = vector;

test.each(forms)('Mailgun: the vector that Rails is tested with, as %s', (contentType, write) => {
  const check = (fields: Record<string, string>) => verifyVector(contentType, write(fields));
  expect(check({ timestamp, token, signature })).toEqual({ ok: true });
  expect(check({ timestamp: '1539112501', token, signature })).toEqual({ ok: false, reason: 'bad_signature' });
  expect(check({ timestamp, token: `${token}x`, signature })).toEqual({ ok: false, reason: 'bad_signature' });
  expect(check({ timestamp, token, signature: signature.toUpperCase() })).toEqual({
    ok: false,
    reason: 'bad_signature',
  });
  expect(check({ timestamp, token })).toEqual({ ok: false, reason: 'missing_signature' });
  expect(check({ token, signature })).toEqual({ ok: false, reason: 'missing_timestamp' });
  expect(check({ timestamp, signature })).toEqual({ ok: false, reason: 'missing_id' });
  expect(check({ timestamp: '1539112500.0', token, signature })).toEqual({ ok: false, reason: 'bad_timestamp' });
});

test('Mailgun: a digit that wanders from the token to the timestamp is refused', () => {
  const wandered = { timestamp: `${timestamp}7`, token: token.slice(1), signature };
  const body = new URLSearchParams(wandered).toString();
  expect(verifyVector('application/x-www-form-urlencoded', body)).toEqual({ ok: false, reason: 'bad_timestamp' });
});

test('Mailgun: a field that comes twice, or too many fields, are refused', () => {
  const form = 'application/x-www-form-urlencoded';
  const fields = new URLSearchParams({ timestamp, token, signature }).toString();
  expect(verifyVector(form, `${fields}&token=${token}`)).toEqual({ ok: false, reason: 'bad_body' });
  expect(verifyVector(form, `${fields}${'&'.repeat(20_000)}`)).toEqual({ ok: false, reason: 'bad_body' });
  expect(verifyVector(form, `${fields}&body-plain=${'x'.repeat(100_000)}`)).toEqual({ ok: true });
});
