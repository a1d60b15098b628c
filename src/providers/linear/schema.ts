import { z } from 'zod';
import { textField } from '../kit/fields.ts';

/**
 * The fields of Linear's payloads that we read.
 * Source: https://linear.app/developers/webhooks, and the types of @linear/sdk/webhooks
 */

const person = z
  .object({ id: textField, type: textField, name: textField, email: textField, service: textField })
  .optional()
  .catch(undefined);
export type LinearPerson = NonNullable<z.infer<typeof person>>;

const issueFields = {
  id: textField,
  identifier: textField,
  title: textField,
  description: textField,
  url: textField,
  team: z.object({ key: textField }).optional().catch(undefined),
};
const issue = z.object(issueFields).optional().catch(undefined);

const named = z.object({ id: textField, name: textField }).optional().catch(undefined);

/** An issue, a comment, an update, a customer request: what people write. */
const entity = z
  .object({
    ...issueFields,
    body: textField,
    health: textField,
    priorityLabel: textField,
    state: named,
    issue,
    issueId: textField,
    parentId: textField,
    projectId: textField,
    project: named,
    projectUpdateId: textField,
    initiativeId: textField,
    initiativeUpdateId: textField,
    documentContentId: textField,
    postId: textField,
    customer: named,
    user: person,
    externalUser: person,
    externalUserCreator: person,
    creator: person,
  })
  .optional()
  .catch(undefined);
export type LinearEntity = NonNullable<z.infer<typeof entity>>;

const agentSession = z
  .object({
    id: textField,
    url: textField,
    creator: person,
    issue,
    comment: z.object({ id: textField, body: textField }).optional().catch(undefined),
  })
  .optional()
  .catch(undefined);

const agentActivity = z
  .object({
    id: textField,
    user: person,
    signal: textField,
    content: z.object({ type: textField, body: textField }).optional().catch(undefined),
  })
  .optional()
  .catch(undefined);

export const linearPayload = z.object({
  action: textField,
  type: textField,
  actor: person,
  createdAt: textField,
  url: textField,
  organizationId: textField,
  webhookId: textField,
  data: entity,
  agentSession,
  agentActivity,
});
export type LinearPayload = z.infer<typeof linearPayload>;
