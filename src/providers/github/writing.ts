import { dateFromIso, dateFromMillis, textOrNull } from '../kit/fields.ts';
import { githubCommit, type GithubPayload, type Writing } from './schema.ts';

/** What of an event becomes a message. */
export interface Written {
  /** GitHub's number of it, unique within its kind of event; for a push the commit. */
  readonly id: string;
  readonly text: string | null;
  /** The conversation, after the repository's name: `#7`, `@<commit>`, `:refs/heads/main`. */
  readonly thread: string;
  readonly sentAt: Date | null;
  /** The object with the URL and the state; none for a push. */
  readonly source: Writing | undefined;
  /** What it was written on. */
  readonly about: Writing | undefined;
}

/** How many commits of a push are in its text; a push lists up to 2,048. */
const maxCommits = 50;

/**
 * The event that a payload is, told by its shape: GitHub names it in a header alone, which is not
 * signed. Undefined for all that people do not write.
 */
export function eventOf(payload: GithubPayload): string | undefined {
  const { issue, pull_request: pull, discussion, comment } = payload;
  if (payload.zen !== undefined && payload.hook_id !== undefined) return 'ping';
  if (comment && issue) return 'issue_comment';
  if (comment && pull) return 'pull_request_review_comment';
  if (comment && discussion) return 'discussion_comment';
  if (comment) return comment.commit_id ? 'commit_comment' : undefined;
  if (payload.review && pull) return 'pull_request_review';
  if (payload.thread !== undefined) return undefined;
  if (issue) return 'issues';
  if (pull) return 'pull_request';
  if (discussion) return 'discussion';
  if (payload.release) return 'release';
  return payload.ref !== undefined && payload.after !== undefined && payload.commits ? 'push' : undefined;
}

/** The action with which each event is something newly written; all others report a change. */
export const writtenActions: Readonly<Record<string, string>> = {
  issues: 'opened',
  issue_comment: 'created',
  pull_request: 'opened',
  pull_request_review: 'submitted',
  pull_request_review_comment: 'created',
  discussion: 'created',
  discussion_comment: 'created',
  commit_comment: 'created',
  release: 'published',
};

/** What was written, why there is nothing in it, or undefined where it has no id or place. */
export function readWriting(payload: GithubPayload): Written | string | undefined {
  const { comment, review, release } = payload;
  const about = payload.issue ?? payload.pull_request ?? payload.discussion;
  const source = comment ?? review ?? about ?? release;
  if (!source) return readPush(payload);
  const thread = threadOf(source, about);
  if (source.id === undefined || thread === undefined) return undefined;
  const text = comment ? textOrNull(comment.body) : review ? reviewText(review) : titled(source);
  // A review without words only carries its line comments, which are events of their own.
  if (review && text === null) return 'no_content';
  const sentAt = dateFromIso(source.submitted_at ?? source.published_at ?? source.created_at);
  return { id: String(source.id), text, thread, sentAt, source, about };
}

function threadOf(source: Writing, about: Writing | undefined): string | undefined {
  if (about) return about.number === undefined ? undefined : `#${about.number}`;
  if (source.tag_name) return `:refs/tags/${source.tag_name}`;
  return source.commit_id ? `@${source.commit_id}` : undefined;
}

function readPush({ ref, after, commits = [], deleted, repository }: GithubPayload): Written | string | undefined {
  if (!ref || !after) return undefined;
  if (deleted) return 'ref_deleted';
  const titles = commits.slice(0, maxCommits).flatMap((commit) => {
    const [title] = (githubCommit.safeParse(commit).data?.message ?? '').split('\n', 1);
    return title ? [title] : [];
  });
  // A new branch or tag at a commit that was there before.
  if (titles.length === 0) return 'no_commits';
  const more = commits.length - maxCommits;
  if (more > 0) titles.push(`and ${more} more`);
  const sentAt = dateFromMillis((repository?.pushed_at ?? Number.NaN) * 1000);
  return { id: after, text: titles.join('\n'), thread: `:${ref}`, sentAt, source: undefined, about: undefined };
}

function titled({ title, name, body }: Writing): string | null {
  return textOrNull([title ?? name, body].filter(Boolean).join('\n\n'));
}

function reviewText({ body, state }: Writing): string | null {
  if (body) return body;
  if (state === 'approved') return 'Approved';
  return state === 'changes_requested' ? 'Changes requested' : null;
}
