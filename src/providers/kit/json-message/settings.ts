import { z } from 'zod';
import { jsonPointer } from './pointer.ts';

const onePointerOrSeveral = z.union([jsonPointer, z.array(jsonPointer).min(1).max(8)]);

/** One pointer, or several of which the first that finds something wins. */
function pointers(defaults: string[], description: string) {
  return onePointerOrSeveral.default(defaults).describe(description);
}

/**
 * Where in the payload things are. The defaults cover flat payloads and those that follow Standard
 * Webhooks' `{type, timestamp, data}`.
 */
export const jsonMessageSettings = z.strictObject({
  sender: pointers(
    ['/sender', '/from', '/data/sender', '/data/from'],
    'Who it is from. Where nothing is found the sender is "unknown".',
  ),
  displayName: pointers(['/displayName', '/data/displayName'], "The sender's name."),
  recipient: pointers(['/recipient', '/to', '/data/recipient', '/data/to'], "The endpoint's address it is for."),
  text: pointers(
    ['/text', '/message', '/data/text', '/data/message'],
    'The text. What is not a string becomes JSON text.',
  ),
  id: pointers(
    ['/id', '/data/id'],
    "The message's id; where nothing is found, what it is recognised by when it comes again.",
  ),
  thread: pointers(['/thread', '/data/thread'], "The conversation's id; the message's own id where nothing is found."),
  sentAt: pointers(
    ['/timestamp', '/data/timestamp'],
    'When it was sent: ISO 8601, or seconds or milliseconds since 1970.',
  ),
  vouched: z.boolean().default(true).describe('Whether the system that posts here has checked who the sender is.'),
});
export type JsonMessageSettings = z.output<typeof jsonMessageSettings>;

/** The same for senders that number their events inside the body, if at all. */
export const ownBodySettings = z.strictObject({
  ...jsonMessageSettings.shape,
  eventId: onePointerOrSeveral
    .optional()
    .describe(
      "The event's own id: the same when it is sent again, and never another event's. Without it, the same body is the same event.",
    ),
});
export type OwnBodySettings = z.output<typeof ownBodySettings>;
