import { createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { bird } from '../../../src/providers/bird/index.ts';
import { verifyContext } from '../../support/provider-context.ts';
import { signBird } from '../signers/bird.ts';
import { anyText } from '../verify-request.ts';

async function verify(key: string, timestamp: string, url: string, body: Uint8Array, signature: string) {
  const headers = new Headers({ 'messagebird-signature': signature, 'messagebird-request-timestamp': timestamp });
  const channel = { secrets: { signingKey: [key], accessKey: [] }, settings: {} };
  const now = new Date(Number(timestamp) * 1000);
  return await bird.verify({ method: 'POST', url, headers, body }, channel, verifyContext(now));
}

/**
 * Bird publishes no SDK that checks this and no vector. The signature was computed with OpenSSL by
 * the steps of https://docs.bird.com/api/notifications-api/api-reference/webhooks/verifying-a-webhook
 */
test('Bird: a signature that OpenSSL made', async () => {
  const body = Buffer.from('{"service":"channels","event":"sms.inbound","payload":{"id":"1"}}');
  const url = 'https://domain.com/webhook/bird?a=b';
  const verdict = await verify(
    'secureSigningKey',
    '1719823259',
    url,
    body,
    'CxR9Y8vafjhEjywXoYSjPcQad1yo6EfF2Zm7iOypcXM=',
  );
  expect(verdict).toEqual({ ok: true });
});

test('Bird: the hash of the body is signed as its bytes, whatever they are', async () => {
  const url = 'https://post.example.com/in/0198c0de';
  await fc.assert(
    fc.asyncProperty(anyText, fc.uint8Array({ maxLength: 40 }), async (key, body) => {
      fc.pre(key !== '');
      const signature = signBird(key, '1719823259', url, body);
      expect(await verify(key, '1719823259', url, body, signature)).toEqual({ ok: true });
      expect(await verify(key, '1719823259', `${url}/`, body, signature)).toMatchObject({ ok: false });
      const joined = createHmac('sha256', key).update(`1719823259\n${url}\n`).update(body).digest('base64');
      expect(await verify(key, '1719823259', url, body, joined)).toMatchObject({ ok: false });
    }),
    { numRuns: 50 },
  );
});
