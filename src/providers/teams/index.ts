import { z } from 'zod';
import { defineProvider, optionalSecretList } from '../../provider.ts';
import { fetchTeamsFile } from './files.ts';
import { acknowledgeTeams, parseTeams } from './parse.ts';
import { verifyTeams } from './verify.ts';

const guid = z
  .string()
  .trim()
  .toLowerCase()
  .regex(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'an id such as 00000000-0000-0000-0000-000000000000');

/** Microsoft Teams, through the Bot Framework. Source: https://learn.microsoft.com/microsoftteams/platform/bots/overview */
export const teams = defineProvider({
  name: 'teams',
  kind: 'teams',
  title: 'Microsoft Teams (Bot Framework)',
  secrets: z.strictObject({
    appPassword: optionalSecretList(
      "A client secret of the bot's app registration, for pictures within the text. Messages need none.",
    ),
  }),
  settings: z.strictObject({
    appId: guid.describe("The bot's Microsoft App ID: requests for another bot are refused."),
    tenantId: guid
      .optional()
      .describe('The Microsoft Entra tenant whose messages are taken; without it those of every tenant.'),
    appTenantId: guid
      .optional()
      .describe("For a single-tenant bot that fetches pictures: the tenant of its app registration ('App Tenant ID')."),
  }),
  setup: {
    steps: [
      'Azure Portal, Create a resource, Azure Bot, or open one you have: Configuration shows the Microsoft App ID; it is the setting appId.',
      'Configuration, Messaging endpoint: enter {ingestUrl} and choose Apply.',
      'Channels: add Microsoft Teams.',
      'For pictures within messages: Configuration, Manage Password, New client secret, and copy its value into the secret appPassword; of a single-tenant bot the App Tenant ID into the setting appTenantId.',
      "Teams Developer Portal, your app, App features, Bot: enter the same id, then install the app in a chat or team. In a team's channels it sees the posts that mention it.",
    ],
    address: 'The Microsoft Entra tenant that writes, in lower case, such as 72f988bf-86f1-41af-91ab-2d7cd011db47.',
  },
  // The token covers no text: for the hour that it lives, who has it can post any.
  credentialHeaders: ['authorization'],
  verify: verifyTeams,
  parse: parseTeams,
  acknowledge: acknowledgeTeams,
  fetchAttachment: fetchTeamsFile,
});
