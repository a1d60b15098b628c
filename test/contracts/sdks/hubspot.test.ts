import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { hmacBase64, url } from '../signer.ts';
import { signers } from '../signers/index.ts';
import { anyText, verifyRequest } from '../verify-request.ts';

/**
 * Computed by HubSpot's SDK, `Signature.getSignature` of @hubspot/api-client 14.0.1 with version v3;
 * it takes up too much room to be installed for one function. The second was signed for the URL with
 * its escapes decoded, as the documentation has it, the third for the same kind of URL as it is.
 * https://github.com/HubSpot/hubspot-api-nodejs/blob/master/src/utils/signature.ts
 */
const vectors = [
  {
    method: 'POST',
    url: 'https://www.example.com/webhook_uri',
    body: '{"example_field":"example_value"}',
    timestamp: '1741089600000',
    signature: '+DB2XDjoEEN8b8CM/5WjuDH63uOVDoJDwIBOzgZp2BM=',
  },
  {
    // Signed for the URL with its escapes decoded: ?next=https://a.example/?x=1&who=ada@example.com
    method: 'POST',
    url: `${url}?next=https%3A%2F%2Fa.example%2F%3Fx=1&who=ada%40example.com`,
    body: '[{"eventId":100,"subscriptionType":"contact.creation","note":"Yllä"}]',
    timestamp: '1741089600000',
    signature: '94HdaRyxxsxqae3YTwsUJp06LS4r+Hh5xEN3JyQCGYk=',
  },
  {
    method: 'POST',
    url: `${url}?next=https%3A%2F%2Fa.example%2F%3Fx=1`,
    body: '[{"eventId":101}]',
    timestamp: '1741089600000',
    signature: 'bUipdlEsoKZTzpe6pdxY4gcRsO4c4lY+lYEFDYFbnsE=',
  },
  {
    // Of these escapes none is decoded.
    method: 'GET',
    url: 'https://www.example.com/webhook_uri?a=%20b%2B',
    body: '',
    timestamp: '1741089599999',
    signature: 'B4sHqU/AaCN2hTf40rLeqtQ9WRnhTNX0O1nbbeSx0LI=',
  },
];
const now = new Date('2025-03-04T12:00:00Z');

function headersOf(signature: string, timestamp: string): Record<string, string> {
  return { 'x-hubspot-signature-v3': signature, 'x-hubspot-request-timestamp': timestamp };
}

test.each(vectors)('HubSpot: a vector of its SDK: $method $url', async (vector) => {
  const { method, url: target, body, timestamp, signature } = vector;
  const request = { method, url: target, headers: headersOf(signature, timestamp), body };
  expect(await verifyRequest('hubspot', request, now)).toEqual({ ok: true });
  const changes = [
    { method: method === 'GET' ? 'POST' : 'GET' },
    { url: target.replace('https', 'http') },
    { url: `${target}&x` },
    { body: `${body} ` },
    { headers: headersOf(signature, '1741089600001') },
  ];
  for (const change of changes) {
    const verdict = await verifyRequest('hubspot', { ...request, ...change }, now);
    expect(verdict).toEqual({ ok: false, reason: 'bad_signature' });
  }
});

test('HubSpot: any body and any query, as the formula has it', async () => {
  const secret = signers['hubspot']?.secrets['clientSecret'] ?? '';
  const timestamp = String(now.getTime());
  const query = fc.string({ unit: fc.constantFrom(..."abc=&%253A%2f/:@!$'()*,;+".split('')), maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(
      anyText.filter((text) => text.isWellFormed()),
      query,
      async (body, text) => {
        const target = `${url}?${text}`;
        const signature = hmacBase64('sha256', secret, `POST${target}${body}${timestamp}`);
        const request = { method: 'POST', url: target, headers: headersOf(signature, timestamp), body };
        expect(await verifyRequest('hubspot', request, now)).toEqual({ ok: true });
      },
    ),
    { numRuns: 100 },
  );
});

test('HubSpot: behind a proxy that rewrites the URL, the setting publicUrl is what was signed', async () => {
  const [vector] = vectors;
  if (!vector) throw new Error('there is no vector');
  const { method, body, signature, timestamp } = vector;
  const request = { method, url, headers: headersOf(signature, timestamp), body };
  expect(await verifyRequest('hubspot', request, now)).toEqual({ ok: false, reason: 'bad_signature' });
  expect(await verifyRequest('hubspot', request, now, { publicUrl: vector.url })).toEqual({ ok: true });
});

test('HubSpot: a time that is no number of milliseconds is refused', async () => {
  for (const timestamp of [
    '1741089600',
    '01741089600000',
    '1741089600000.0',
    '+1741089600000',
    '0x1955f2b8e00',
    '1e12',
  ]) {
    const headers = headersOf(vectors[0]?.signature ?? '', '1741089600000');
    const request = { method: 'POST', headers: { ...headers, 'x-hubspot-request-timestamp': timestamp }, body: '[]' };
    const verdict = await verifyRequest('hubspot', request, now);
    expect(verdict.ok ? 'accepted' : verdict.reason, timestamp).toMatch(/^(?:bad|stale)_timestamp$/);
  }
});
