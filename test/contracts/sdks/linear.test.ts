import { LinearWebhookClient } from '@linear/sdk/webhooks';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { hmacHex } from '../signer.ts';
import { signers } from '../signers/index.ts';
import { anyText, verifyRequest } from '../verify-request.ts';

const secret = signers['linear']?.secrets['signingSecret'] ?? '';
const client = new LinearWebhookClient(secret);

/** What Linear's SDK says of a body and its signature. */
function isValid(body: string, signature: string): boolean {
  try {
    return client.verify(Buffer.from(body), signature);
  } catch {
    return false;
  }
}

async function check(body: string, signature: string) {
  const request = { method: 'POST', headers: { 'linear-signature': signature }, body };
  return await verifyRequest('linear', request, new Date());
}

test('Linear: what we accept, its SDK accepts', async () => {
  await fc.assert(
    fc.asyncProperty(
      anyText.filter((text) => text.isWellFormed()),
      // Seconds off: neither too near to the minute that is allowed, because the test takes time.
      fc.constantFrom(0, -50, 50, -70, 70, 86_400),
      fc.constantFrom('', '0', ' '),
      async (text, off, change) => {
        const body = JSON.stringify({ data: { body: text }, webhookTimestamp: Date.now() + off * 1000 });
        const signature = `${hmacHex('sha256', secret, body)}${change}`;
        const verdict = await check(body, signature);
        // A header's value is trimmed before anybody sees it.
        expect(verdict.ok).toBe(isValid(body, signature.trim()));
        expect(verdict.ok).toBe(Math.abs(off) < 60 && change !== '0');
        expect(await check(`${body} `, signature)).toMatchObject({ ok: false });
        expect(isValid(`${body} `, signature.trim())).toBe(false);
      },
    ),
    { numRuns: 60 },
  );
});

test('Linear: a signed body without a sending time that can be read is refused, by its SDK as well', async () => {
  const cases = [
    ['{"webhookTimestamp":null}', 'missing_timestamp'],
    ['{"timestamp":1}', 'missing_timestamp'],
    ['[]', 'missing_timestamp'],
    ['null', 'missing_timestamp'],
    [`{"webhookTimestamp":"${Date.now()}"}`, 'bad_timestamp'],
    ['{"webhookTimestamp":1e999}', 'stale_timestamp'],
    ['{"webhookTimestamp":0}', 'stale_timestamp'],
    ['webhookTimestamp=1', 'bad_body'],
    ['', 'bad_body'],
  ] as const;
  for (const [body, reason] of cases) {
    const signature = hmacHex('sha256', secret, body);
    expect(await check(body, signature), body).toEqual({ ok: false, reason });
    expect(isValid(body, signature), body).toBe(false);
  }
});
