import { textOrNull } from '../kit/fields.ts';
import type { LinearEntity, LinearPayload, LinearPerson } from './schema.ts';

/** What of an event becomes a message. */
export interface Written {
  /** Linear's id of it. */
  readonly id: string;
  readonly text: string | null;
  /** The id of what it was written on: an issue, a project. */
  readonly thread: string;
  readonly author: LinearPerson | undefined;
  /** The issue that it is, or is about. */
  readonly issue: Pick<LinearEntity, 'id' | 'identifier' | 'title' | 'url' | 'team'> | undefined;
}

/** The actions with which each type is something newly written; all others report a change. */
export const writtenActions: Readonly<Record<string, readonly string[]>> = {
  Issue: ['create'],
  Comment: ['create'],
  ProjectUpdate: ['create'],
  InitiativeUpdate: ['create'],
  CustomerNeed: ['create'],
  AgentSessionEvent: ['created', 'prompted'],
};

/** What was written, or undefined where it has no id or place. */
export function readWriting(payload: LinearPayload): Written | undefined {
  if (payload.type === 'AgentSessionEvent') return readPrompt(payload);
  const { data } = payload;
  if (!data?.id) return undefined;
  const isIssue = payload.type === 'Issue';
  const thread = isIssue ? data.id : threadOf(data);
  if (!thread) return undefined;
  const author = payload.actor ?? data.user ?? data.externalUser ?? data.creator ?? data.externalUserCreator;
  const text = isIssue ? titled(data) : textOrNull(data.body);
  return { id: data.id, text, thread, author, issue: isIssue ? data : data.issue };
}

/** Comments on an issue are one conversation, replies to one of them as well. */
function threadOf(data: LinearEntity): string | undefined {
  return (
    data.issueId ??
    data.issue?.id ??
    data.projectUpdateId ??
    data.initiativeUpdateId ??
    data.documentContentId ??
    data.projectId ??
    data.initiativeId ??
    data.postId
  );
}

/** Somebody mentions or delegates to the agent, or writes on in its session. */
function readPrompt({ action, agentSession: session, agentActivity: activity }: LinearPayload): Written | undefined {
  if (!session?.id) return undefined;
  const { issue } = session;
  const thread = issue?.id ?? session.id;
  if (action === 'prompted') {
    if (!activity?.id) return undefined;
    return { id: activity.id, text: textOrNull(activity.content?.body), thread, author: activity.user, issue };
  }
  const text = session.comment?.body ? session.comment.body : issue ? titled(issue) : null;
  return { id: session.id, text, thread, author: session.creator, issue };
}

function titled({ title, description }: { title?: string | undefined; description?: string | undefined }) {
  return textOrNull([title, description].filter(Boolean).join('\n\n'));
}
