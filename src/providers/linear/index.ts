import { z } from 'zod';
import { defineProvider, secretList } from '../../provider.ts';
import { parseLinear } from './parse.ts';
import { verifyLinear } from './verify.ts';

/** Linear's webhooks. Source: https://linear.app/developers/webhooks */
export const linear = defineProvider({
  name: 'linear',
  kind: 'webhook',
  title: 'Linear',
  secrets: z.strictObject({
    signingSecret: secretList("The webhook's Signing secret (lin_wh_…), which Linear makes."),
  }),
  settings: z.strictObject({
    ownActor: z
      .string()
      .min(1)
      .max(512)
      .optional()
      .describe('The id of the Linear user or app that your product writes as, whose posts are ignored.'),
    apps: z
      .boolean()
      .default(false)
      .describe('Take what OAuth apps write as well. Set ownActor too where your own is one of them.'),
  }),
  setup: {
    steps: [
      'Linear shows the secret only once it has the URL: make the channel with a long random text as signingSecret.',
      'Open Settings, API, Webhooks, New webhook. (An agent or another OAuth app: Settings, API, OAuth applications, your application, Webhooks.)',
      'URL: enter {ingestUrl}.',
      'Data change events: choose Issues and Comments, and whichever of Project updates, Initiative updates and Customer requests you want. For an agent choose Agent session events instead of Comments.',
      "Create webhook, copy the Signing secret, and rotate the channel's signingSecret to it with graceSeconds 0.",
    ],
    address: "The team's key, such as ENG; for what belongs to no team the organization's id.",
  },
  // The limit of Linear's own SDK.
  maxBodyBytes: 5 * 1024 * 1024,
  verify: verifyLinear,
  parse: parseLinear,
});
