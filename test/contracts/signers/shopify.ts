import { hmacBase64, type Signer } from '../signer.ts';

/** A fixture's `variant` is the topic of the webhook, or `events` for an Events delivery. */
export const signer: Signer = {
  secrets: { clientSecret: 'shpss_postroom-contract-secret-one' },
  nextSecrets: { clientSecret: 'shpss_postroom-contract-secret-two' },
  headers: ['x-shopify-hmac-sha256'],
  // The topic of a webhook is in a header alone; an Events delivery has nothing else of its own.
  believedHeaders: ['x-shopify-topic', 'shopify-webhook-id'],
  covers: 'bytes',
  variants: { events: { headers: ['shopify-hmac-sha256'] } },
  sign: (fixture, secrets) => {
    const mac = hmacBase64('sha256', secrets['clientSecret'] ?? '', fixture.bytes);
    const [prefix, topic] = fixture.variant === 'events' ? ['', 'Product'] : ['x-', fixture.variant ?? ''];
    const headers = {
      'content-type': 'application/json',
      [`${prefix}shopify-hmac-sha256`]: mac,
      [`${prefix}shopify-topic`]: topic,
      [`${prefix}shopify-shop-domain`]: 'Acme.myshopify.com',
      [`${prefix}shopify-api-version`]: '2026-10',
      [`${prefix}shopify-webhook-id`]: 'b54557e4-bdd9-4b37-8a5f-bf7d70bcd043',
      [`${prefix}shopify-event-id`]: '98880550-7158-44d4-b7cd-2c97c8a091b5',
      [`${prefix}shopify-triggered-at`]: '2025-03-04T11:59:58.123456789Z',
    };
    return { method: 'POST', headers, body: fixture.bytes };
  },
  fields: [
    'id',
    'customer',
    'customer_id',
    'email',
    'first_name',
    'name',
    'title',
    'order_id',
    'shop_id',
    'shop_domain',
    'myshopify_domain',
    'updated_at',
    'topic',
    'action',
    'handle',
    'fields_changed',
    'query_variables',
    'productId',
    '__proto__',
  ],
};
