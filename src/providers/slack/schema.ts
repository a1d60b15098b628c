import { z } from 'zod';
import { listField, textField } from '../kit/fields.ts';

/**
 * The fields of Slack's Events API that we read.
 * Source: https://docs.slack.dev/reference/events/message
 */

export const slackEnvelope = z.object({
  type: textField,
  challenge: textField,
  team_id: textField,
  /** The workspace that the event happened in, where `team_id` is an organisation's or absent. */
  context_team_id: textField,
  /** The organisation on Enterprise Grid. */
  enterprise_id: textField,
  context_enterprise_id: textField,
  api_app_id: textField,
  event_id: textField,
  authorizations: listField,
  event: z.unknown().optional(),
});
export type SlackEnvelope = z.infer<typeof slackEnvelope>;

export const slackEvent = z.object({
  type: textField,
  subtype: textField,
  hidden: z.unknown().optional(),
  user: textField,
  /** The author's home workspace, in channels shared between workspaces. */
  user_team: textField,
  team: textField,
  bot_id: textField,
  app_id: textField,
  bot_profile: z.object({ app_id: textField }).optional().catch(undefined),
  user_profile: z.object({ display_name: textField, real_name: textField }).optional().catch(undefined),
  text: textField,
  ts: textField,
  thread_ts: textField,
  channel: textField,
  channel_type: textField,
  client_msg_id: textField,
  parent_user_id: textField,
  files: listField,
});
export type SlackEvent = z.infer<typeof slackEvent>;

/** Who the event was delivered to: our own bot user among them. */
export const slackAuthorization = z.object({
  user_id: textField,
  is_bot: z.boolean().optional().catch(undefined),
});
