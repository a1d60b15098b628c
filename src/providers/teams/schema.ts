import { z } from 'zod';
import { listField, textField } from '../kit/fields.ts';

/**
 * The fields of Bot Framework activities that we read.
 * Source: https://github.com/microsoft/Agents/blob/main/specs/activity/protocol-activity.md
 */

const named = z.object({ id: textField, name: textField }).optional().catch(undefined);

const account = z
  .object({ id: textField, name: textField, aadObjectId: textField, role: textField })
  .optional()
  .catch(undefined);

export const teamsActivity = z.object({
  type: textField,
  id: textField,
  /** The operation of an `invoke`, such as `adaptiveCard/action`. */
  name: textField,
  timestamp: textField,
  serviceUrl: textField,
  channelId: textField,
  text: textField,
  textFormat: textField,
  locale: textField,
  replyToId: textField,
  from: account,
  recipient: account,
  conversation: z
    .object({ id: textField, name: textField, conversationType: textField, tenantId: textField })
    .optional()
    .catch(undefined),
  channelData: z.object({ tenant: named, team: named, channel: named }).optional().catch(undefined),
  attachments: listField,
  entities: listField,
  /** What a card submitted, or an operation's own parameters. */
  value: z.unknown().optional(),
});
export type TeamsActivity = z.infer<typeof teamsActivity>;

export const teamsMention = z.object({
  type: z.literal('mention'),
  /** How it stands in the text: `<at>Name</at>`. */
  text: z.string().min(1),
  mentioned: z.object({ id: textField, name: textField }),
});

export const teamsAttachment = z.object({
  contentType: textField,
  contentUrl: textField,
  name: textField,
  content: z.object({ downloadUrl: textField, uniqueId: textField }).optional().catch(undefined),
});

/** A press on a card's button, or a card that asks for its newest state by itself. */
export const teamsCardAction = z.object({
  action: z.object({ verb: textField, id: textField }),
  trigger: textField,
});
