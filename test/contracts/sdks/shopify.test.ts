// The SDK runs on no platform until one of its adapters is loaded.
// oxlint-disable-next-line import/no-unassigned-import
import '@shopify/shopify-api/adapters/web-api';
import { ApiVersion, shopifyApi } from '@shopify/shopify-api';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { hmacBase64, url } from '../signer.ts';
import { signers } from '../signers/index.ts';
import { anyText, verifyRequest } from '../verify-request.ts';

const secret = signers['shopify']?.secrets['clientSecret'] ?? '';
const sdk = shopifyApi({
  apiSecretKey: secret,
  apiVersion: ApiVersion.October26,
  hostName: 'post.example.com',
  isCustomStoreApp: true,
  adminApiAccessToken: 'unused',
  isEmbeddedApp: false,
  logger: { log: () => {} },
});

/** What Shopify's SDK says of a request. */
async function validate(headers: Record<string, string>, body: string): Promise<boolean> {
  const rawRequest = new Request(url, { method: 'POST', headers, body });
  return (await sdk.webhooks.validate({ rawBody: body, rawRequest })).valid;
}

/** Our verifier, our signer and the provider's own code agree on what is signed. */
test.each([['x-'], ['']])('Shopify: what we accept under %sshopify- names, its SDK accepts', async (prefix) => {
  const now = new Date();
  await fc.assert(
    fc.asyncProperty(
      // The SDK takes the body as text, and refuses an empty one.
      anyText.filter((body) => body !== '' && body.isWellFormed()),
      fc.constantFrom('', 'A', '='),
      async (body, change) => {
        const headers = {
          [`${prefix}shopify-hmac-sha256`]: `${change}${hmacBase64('sha256', secret, body)}`,
          [`${prefix}shopify-topic`]: 'orders/create',
          [`${prefix}shopify-shop-domain`]: 'acme.myshopify.com',
          [`${prefix}shopify-api-version`]: '2026-10',
          [`${prefix}shopify-webhook-id`]: 'b54557e4-bdd9-4b37-8a5f-bf7d70bcd043',
        };
        const isValid = await validate(headers, body);
        expect(isValid).toBe(change === '');
        expect((await verifyRequest('shopify', { method: 'POST', headers, body }, now)).ok).toBe(isValid);
        expect(await validate(headers, `${body}x`)).toBe(false);
        const forged = { method: 'POST', headers, body: `${body}x` };
        expect(await verifyRequest('shopify', forged, now)).toEqual({ ok: false, reason: 'bad_signature' });
      },
    ),
    { numRuns: 50 },
  );
});
