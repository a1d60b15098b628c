import { z } from 'zod';
import { defineProvider, secretList } from '../../provider.ts';
import { download } from '../kit/files/download.ts';
import { parseIntercom } from './parse.ts';
import { answerProbe, verifyIntercom } from './verify.ts';

/** Intercom's conversations. Source: https://developers.intercom.com/docs/webhooks */
export const intercom = defineProvider({
  name: 'intercom',
  kind: 'webhook',
  title: 'Intercom',
  secrets: z.strictObject({
    clientSecret: secretList(
      "The app's client secret, on its page Basic information. While it is replaced, list both.",
    ),
  }),
  settings: z.strictObject({
    vouched: z
      .boolean()
      .default(false)
      .describe(
        'Whether users are who they say: Messenger security (identity verification) is enforced on all platforms. Leads, and what comes by e-mail, are never vouched for.',
      ),
  }),
  setup: {
    steps: [
      'Intercom, Developer Hub, your app (New app where there is none), Configure, Basic information: copy the Client secret into the secret clientSecret.',
      'Configure, Webhooks, Edit: enter {ingestUrl} as the Endpoint URL. Intercom asks at once whether it is there.',
      'Select the topics conversation.user.created and conversation.user.replied, and Save.',
      'Choose Send a test request next to a topic; it comes as a ping and shows a 200.',
      'Where identity verification is enforced for the Messenger, set the setting vouched.',
    ],
    address:
      'The id of the workspace, such as a86dr8yl; it is in the URL of the Inbox and the field app_id of every event.',
  },
  methods: ['POST', 'HEAD'],
  verify: verifyIntercom,
  handshake: answerProbe,
  parse: parseIntercom,
  async fetchAttachment(attachment, _channel, { fetch }) {
    return await download(fetch, attachment.url);
  },
});
