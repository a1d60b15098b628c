import { createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { providers } from '../../../src/providers/index.ts';
import { verifyContext } from '../../support/provider-context.ts';

/**
 * Zendesk has no SDK that checks its signature. Its documentation says base64(HMACSHA256(timestamp +
 * body)); the one example with a result that it ever had is from before, with the two the other way.
 * Source: https://developer.zendesk.com/documentation/webhooks/verifying/
 */
const example = {
  secret: 'HRkRd4BeOAoUkfZr-mhauJT64rvBASlJRoIyPsd3zeA=',
  body: '{"say": "hello"}',
  timestamp: '2021-07-25T10:00:00Z',
  signature: 'tRDSF7URY8BLCDlaBcQ7FHu051Zk+aAB0NKMP53teMw=',
};

async function verify(name: string, secrets: object, settings: object, headers: Record<string, string>, body: string) {
  const provider = providers.get(name);
  if (!provider) throw new Error('no provider');
  const channel = { secrets: provider.secrets.parse(secrets), settings: provider.settings.parse(settings) };
  const bytes = new TextEncoder().encode(body);
  const request = { method: 'POST', url: 'https://post.example/in/1', headers: new Headers(headers), body: bytes };
  const now = new Date(headers['x-zendesk-webhook-signature-timestamp'] ?? 0);
  return await provider.verify(request, channel, verifyContext(now));
}

function headersOf(timestamp: string, signature: string): Record<string, string> {
  return { 'x-zendesk-webhook-signature-timestamp': timestamp, 'x-zendesk-webhook-signature': signature };
}

test('Zendesk: its first example shows that the key is the text of the secret', async () => {
  const { secret, body, timestamp, signature } = example;
  const settings = {
    header: 'x-zendesk-webhook-signature',
    encoding: 'base64',
    template: '{body}{timestamp}',
    timestampHeader: 'x-zendesk-webhook-signature-timestamp',
    timestampUnit: 'iso',
  };
  const headers = headersOf(timestamp, signature);
  expect(await verify('hmac', { secret }, settings, headers, body)).toEqual({ ok: true });
  // The order has changed since.
  expect(await verify('zendesk', { signingSecret: secret }, {}, headers, body)).toMatchObject({ ok: false });
  const today = createHmac('sha256', secret).update(`${timestamp}${body}`).digest('base64');
  expect(await verify('zendesk', { signingSecret: secret }, {}, headersOf(timestamp, today), body)).toEqual({
    ok: true,
  });
});

test('Zendesk: time and body are signed, whatever they are', async () => {
  const { secret } = example;
  const time = fc.date({ min: new Date('2020-01-01'), max: new Date('2030-01-01'), noInvalidDate: true });
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme' }), time, async (body, at) => {
      const timestamp = at.toISOString();
      const signature = createHmac('sha256', secret).update(timestamp).update(body, 'utf8').digest('base64');
      const headers = headersOf(timestamp, signature);
      expect(await verify('zendesk', { signingSecret: secret }, {}, headers, body)).toEqual({ ok: true });
      expect(await verify('zendesk', { signingSecret: secret }, {}, headers, `${body}x`)).toMatchObject({ ok: false });
    }),
  );
});

test("Zendesk: the test secret that everybody knows cannot be a channel's", () => {
  const signingSecret = ['dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ=='];
  expect(providers.get('zendesk')?.secrets.safeParse({ signingSecret }).success).toBe(false);
});
