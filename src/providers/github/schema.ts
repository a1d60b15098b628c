import { z } from 'zod';
import { readForm } from '../kit/body/form.ts';
import { decodeText, listField, readJson, sizeField, textField, type Json } from '../kit/fields.ts';

/**
 * The fields of GitHub's webhook payloads that we read.
 * Source: https://docs.github.com/en/webhooks/webhook-events-and-payloads
 */

const idField = z.int().nonnegative().optional().catch(undefined);
const present = z.unknown().optional();

/** An issue, pull request, discussion, comment, review or release: what people write. */
const writing = z
  .object({
    id: idField,
    number: idField,
    title: textField,
    name: textField,
    body: textField,
    state: textField,
    html_url: textField,
    created_at: textField,
    submitted_at: textField,
    published_at: textField,
    author_association: textField,
    commit_id: textField,
    path: textField,
    tag_name: textField,
    draft: z.boolean().optional().catch(undefined),
    assets: listField,
  })
  .optional()
  .catch(undefined);
export type Writing = NonNullable<z.infer<typeof writing>>;

export const githubSender = z.object({ id: idField, login: textField, type: textField, html_url: textField });
export type GithubSender = z.infer<typeof githubSender>;

export const githubPayload = z.object({
  action: textField,
  sender: githubSender.optional().catch(undefined),
  repository: z
    .object({ id: idField, full_name: textField, pushed_at: z.number().optional().catch(undefined) })
    .optional()
    .catch(undefined),
  installation: z.object({ id: idField }).optional().catch(undefined),
  issue: writing,
  pull_request: writing,
  discussion: writing,
  comment: writing,
  review: writing,
  release: writing,
  thread: present,
  zen: textField,
  hook_id: idField,
  ref: textField,
  before: textField,
  after: textField,
  compare: textField,
  deleted: z.boolean().optional().catch(undefined),
  commits: listField,
});
export type GithubPayload = z.infer<typeof githubPayload>;

export const githubCommit = z.object({ message: textField });

export const githubAsset = z.object({
  id: idField,
  name: textField,
  content_type: textField,
  size: sizeField,
  browser_download_url: textField,
});

/**
 * The payload of a JSON or a form hook. The bytes say which it is, as no JSON begins so: the
 * Content-Type is not signed.
 */
export function readPayload(body: Uint8Array): Json {
  const text = decodeText(body);
  return readJson(text.startsWith('payload=') ? (readForm(body).get('payload') ?? '') : text);
}
