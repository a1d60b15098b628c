import { z } from 'zod';
import { defineProvider, secretList } from '../../provider.ts';
import { parseStripe } from './parse.ts';
import { verifyStripe } from './verify.ts';

/** Stripe's events. Source: https://docs.stripe.com/webhooks */
export const stripe = defineProvider({
  name: 'stripe',
  kind: 'webhook',
  title: 'Stripe',
  secrets: z.strictObject({
    signingSecret: secretList(
      'Signing secret of the event destination (whsec_…), as it is shown. While rolling it, list both.',
    ),
  }),
  settings: z.strictObject({
    livemode: z
      .boolean()
      .optional()
      .describe('Take live events alone (true) or test events alone (false). Connect sends test events to live URLs.'),
  }),
  setup: {
    steps: [
      'Stripe shows the secret only once it has the URL: make the channel with a long random text as signingSecret.',
      'Open https://dashboard.stripe.com/webhooks and choose Add destination.',
      'Events from: Your account, or Connected accounts. Select the events you want, such as invoice.payment_failed.',
      'Destination type: Webhook endpoint. Endpoint URL: enter {ingestUrl}, then Create destination.',
      "Signing secret: choose Reveal, and rotate the channel's signingSecret to it with graceSeconds 0. Live mode and each sandbox have their own.",
    ],
    address:
      'The connected account, such as acct_1032D82eZvKYlo2C; for events of your own account the mode, live or test.',
  },
  verify: verifyStripe,
  parse: parseStripe,
});
