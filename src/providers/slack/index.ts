import { z } from 'zod';
import { defineProvider, optionalSecretList, secretList } from '../../provider.ts';
import { acknowledgeSlack } from './acknowledge.ts';
import { fetchSlackFile } from './files.ts';
import { parseSlack } from './parse.ts';
import { shakeSlackHand, verifySlack } from './verify.ts';

/**
 * Slack's Events API, slash commands and interactivity, which may all have one URL.
 * Source: https://docs.slack.dev/apis/events-api
 */
export const slack = defineProvider({
  name: 'slack',
  kind: 'slack',
  title: 'Slack (events, slash commands, interactivity)',
  secrets: z.strictObject({
    signingSecret: secretList('Signing Secret of the app, under Basic Information.'),
    botToken: optionalSecretList(
      'Bot User OAuth Token of the app (xoxb-…), under OAuth & Permissions. Only for getting files; needs files:read.',
    ),
  }),
  settings: z.strictObject({
    botUserId: z
      .string()
      .min(1)
      .optional()
      .describe("The app's bot user (U…), whose own posts are ignored. Events mostly name it themselves."),
    appId: z
      .string()
      .min(1)
      .optional()
      .describe("The app's id (A…), whose own posts are ignored. Events mostly name it themselves."),
  }),
  setup: {
    steps: [
      'Open https://api.slack.com/apps and choose Create New App, From scratch, or open an app you have.',
      'Basic Information, App Credentials: copy the Signing Secret into the secret signingSecret.',
      'OAuth & Permissions, Bot Token Scopes: add app_mentions:read, channels:history, groups:history, im:history, mpim:history and files:read.',
      'Event Subscriptions: switch Enable Events on, enter {ingestUrl} as the Request URL and wait for Verified.',
      'Subscribe to bot events: add app_mention, message.channels, message.groups, message.im and message.mpim, then Save Changes.',
      'For slash commands: Slash Commands, Create New Command, with {ingestUrl} as the Request URL.',
      'For buttons, modals and shortcuts: Interactivity & Shortcuts, switch Interactivity on and enter {ingestUrl} as the Request URL.',
      'Install App: choose Install to Workspace, then invite the app into each channel it shall read.',
      'For files: OAuth & Permissions, copy the Bot User OAuth Token into the secret botToken.',
    ],
    address:
      'The workspace id, such as T0123ABCD (the first part of the address of Slack in a browser after /client/).',
  },
  verify: verifySlack,
  handshake: shakeSlackHand,
  parse: parseSlack,
  acknowledge: acknowledgeSlack,
  fetchAttachment: fetchSlackFile,
});
