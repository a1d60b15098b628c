import { z } from 'zod';
import { defineProvider, secretList } from '../../provider.ts';
import { parseShopify } from './parse.ts';
import { verifyShopify } from './verify.ts';

/** Shopify's webhooks and Events. Source: https://shopify.dev/docs/apps/build/webhooks */
export const shopify = defineProvider({
  name: 'shopify',
  kind: 'webhook',
  title: 'Shopify',
  secrets: z.strictObject({
    clientSecret: secretList(
      "The app's client secret; for a webhook made in a store's settings the key that is shown there. After a rotation the old one still signs for up to an hour: list both.",
    ),
  }),
  settings: z.strictObject({}),
  setup: {
    steps: [
      'Open the app in the Dev Dashboard (https://dev.shopify.com/dashboard), Settings: copy the client secret into clientSecret.',
      'In shopify.app.toml add [[webhooks.subscriptions]] with topics, such as orders/create, and uri = "{ingestUrl}"; compliance_topics go into a subscription of their own. Then run shopify app deploy.',
      'Or without an app: in the store, Settings, Notifications, Webhooks, Create webhook. Format: JSON. URL: {ingestUrl}. The key below the list is the clientSecret.',
      'Trigger an event, or choose Send test notification, and look at the message that came of it.',
    ],
    address: 'The shop, such as acme.myshopify.com.',
  },
  // Shopify names no limit, and a product alone may have 2,048 variants of about 1 KB.
  maxBodyBytes: 10 * 1024 * 1024,
  verify: verifyShopify,
  parse: parseShopify,
});
