import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { defineProvider, optionalSecretList, secretList } from '../../provider.ts';
import { fetchGithubAsset } from './assets.ts';
import { parseGithub } from './parse.ts';
import { verifyGithub } from './verify.ts';

/** GitHub's webhooks. Source: https://docs.github.com/en/webhooks/webhook-events-and-payloads */
export const github = defineProvider({
  name: 'github',
  kind: 'webhook',
  title: 'GitHub',
  secrets: z.strictObject({
    secret: secretList('The Secret of the webhook, which you choose; every webhook on this URL has the same.'),
    token: optionalSecretList(
      'A fine-grained personal access token with the permission Contents, read-only. It fetches the files of releases in private repositories; public ones need none.',
    ),
  }),
  settings: z.strictObject({
    ownLogin: z
      .string()
      .min(1)
      .optional()
      .describe('The login of the account that your product writes with, whose posts are ignored. Apps need none.'),
    apiUrl: z
      .url({ protocol: /^https$/ })
      .optional()
      .describe(
        "The REST API of your own server, such as https://git.example.com/api/v3, where the secret token is one of that server's; github.com needs none.",
      ),
  }),
  setup: {
    steps: [
      'Open the repository, or the organization for all of its repositories, and choose Settings, Webhooks, Add webhook.',
      'Payload URL: enter {ingestUrl}. Content type: application/json.',
      "Secret: enter the channel's secret named secret. Leave SSL verification enabled.",
      'Let me select individual events: Issues, Issue comments, Pull requests, Pull request reviews, Pull request review comments, and whichever of Commit comments, Discussions, Discussion comments, Pushes and Releases you want.',
      'Add webhook. GitHub sends a ping at once; Recent Deliveries shows it with the answer 200.',
    ],
    address: 'The repository with its owner, spelled as GitHub spells it, such as octo-org/hello-world.',
  },
  // GitHub sends no payload over 25 MB.
  maxBodyBytes: 25 * 1024 * 1024,
  newSecret: () => randomBytes(32).toString('hex'),
  verify: verifyGithub,
  parse: parseGithub,
  fetchAttachment: fetchGithubAsset,
});
