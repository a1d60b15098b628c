import { z } from 'zod';
import { ownBodySettings } from '../kit/json-message/settings.ts';

/** The pointers are for what triggers and automations post, whose JSON is one's own. */
export const zendeskSettings = z.strictObject({
  ...ownBodySettings.shape,
  vouched: z
    .boolean()
    .default(false)
    .describe(
      'Whether requesters are who they say: the help center and messaging let in signed-in people alone. Of events, what came by e-mail is never vouched for; of triggers, all is that they post.',
    ),
});
export type ZendeskSettings = z.output<typeof zendeskSettings>;
