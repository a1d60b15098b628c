import { z } from 'zod';
import { listField, textField } from '../kit/fields.ts';

/**
 * The fields of slash commands and of interactivity that we read.
 * Sources: https://docs.slack.dev/interactivity/implementing-slash-commands and
 * https://docs.slack.dev/reference/interaction-payloads
 */

const flagField = z.boolean().optional().catch(undefined);

/** A slash command, whose fields are those of a form. */
export const slackCommand = z.object({
  command: textField,
  text: textField,
  user_id: textField,
  user_name: textField,
  team_id: textField,
  team_domain: textField,
  enterprise_id: textField,
  channel_id: textField,
  channel_name: textField,
  api_app_id: textField,
  response_url: textField,
  trigger_id: textField,
  is_enterprise_install: textField,
});

const optionField = z
  .object({ value: textField, text: z.object({ text: textField }).optional().catch(undefined) })
  .optional()
  .catch(undefined);

/** What somebody pressed, picked or filled in: an action, or an input of a modal. */
export const slackInput = z.object({
  type: textField,
  action_id: textField,
  block_id: textField,
  action_ts: textField,
  value: textField,
  text: z.object({ text: textField }).optional().catch(undefined),
  selected_option: optionField,
  selected_options: listField,
  selected_user: textField,
  selected_users: listField,
  selected_channel: textField,
  selected_channels: listField,
  selected_conversation: textField,
  selected_conversations: listField,
  selected_date: textField,
  selected_time: textField,
  selected_date_time: z.int().optional().catch(undefined),
  files: listField,
});
export type SlackInput = z.infer<typeof slackInput>;
export const slackOption = optionField;

/** A response URL of a modal that has an input for the channel to answer in. */
export const slackResponseUrl = z.object({ response_url: textField });

export const slackInteraction = z.object({
  type: textField,
  api_app_id: textField,
  callback_id: textField,
  trigger_id: textField,
  action_ts: textField,
  message_ts: textField,
  response_url: textField,
  response_urls: listField,
  is_cleared: flagField,
  is_enterprise_install: flagField,
  /** Null where the app is installed in an organisation as a whole. */
  team: z.object({ id: textField, enterprise_id: textField }).optional().catch(undefined),
  enterprise: z.object({ id: textField }).optional().catch(undefined),
  /** `team_id` is the person's own workspace, in channels shared between workspaces too. */
  user: z
    .object({ id: textField, name: textField, username: textField, team_id: textField })
    .optional()
    .catch(undefined),
  channel: z.object({ id: textField }).optional().catch(undefined),
  container: z.object({ thread_ts: textField, message_ts: textField }).optional().catch(undefined),
  message: z
    .object({ ts: textField, thread_ts: textField, user: textField, text: textField })
    .optional()
    .catch(undefined),
  actions: listField,
  view: z
    .object({
      id: textField,
      callback_id: textField,
      external_id: textField,
      private_metadata: textField,
      app_installed_team_id: textField,
      state: z.object({ values: z.unknown().optional() }).optional().catch(undefined),
    })
    .optional()
    .catch(undefined),
});
export type SlackInteraction = z.infer<typeof slackInteraction>;
