import type { Attachment } from '../../provider.ts';
import { textOrNull } from '../kit/fields.ts';
import { teamsAttachment, teamsCardAction, teamsMention, type TeamsActivity } from './schema.ts';

/** A file that was given to the bot in a chat with it alone; it lies in the sender's OneDrive. */
const downloadInfo = 'application/vnd.microsoft.teams.file.download.info';

/** A post can mention 20 people and tags; each is one pass over the text. */
const maxMentions = 50;

/** The text as a person reads it: without the mention that called the bot, others by their name. */
export function readText(activity: TeamsActivity): string | null {
  if (activity.type === 'invoke') return textOrNull(teamsCardAction.safeParse(activity.value).data?.action.verb);
  let text = activity.text ?? '';
  for (const entity of (activity.entities ?? []).slice(0, maxMentions)) {
    const mention = teamsMention.safeParse(entity).data;
    if (!mention) continue;
    const { id, name } = mention.mentioned;
    const isBot = id !== undefined && id === activity.recipient?.id;
    if (isBot) text = text.replaceAll(mention.text, () => '');
    else if (name) text = text.replaceAll(mention.text, () => `@${name}`);
  }
  return textOrNull(text.trim());
}

/**
 * Files and pictures. Not the text once more as `text/html`, cards, or quoted messages: none of them
 * has anything to fetch.
 */
export function readAttachments(activity: TeamsActivity): Attachment[] {
  return (activity.attachments ?? []).flatMap((entry) => {
    const file = teamsAttachment.safeParse(entry).data;
    if (!file?.contentType) return [];
    const isFile = file.contentType === downloadInfo;
    const url = isFile ? file.content?.downloadUrl : file.contentUrl;
    if (!url || (!isFile && !isMedia(file.contentType))) return [];
    return [
      {
        name: textOrNull(file.name),
        // `image/*` is what Teams says of a picture whose type it has not looked at.
        contentType: isFile || file.contentType.includes('*') ? null : file.contentType,
        size: null,
        url,
        providerId: textOrNull(file.content?.uniqueId),
      },
    ];
  });
}

function isMedia(contentType: string): boolean {
  return /^(?:image|audio|video|application)\/(?!vnd\.microsoft\.)/.test(contentType);
}
