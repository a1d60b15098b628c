import type { Attachment } from '../../provider.ts';
import { textOrNull } from '../kit/fields.ts';
import { readText } from '../kit/mail/text.ts';
import { intercomAttachment, type IntercomPost } from './schema.ts';

/** What people write in the Messenger has a handful of images. */
const maxImages = 50;

/** The HTML of a post as text, or null. */
export function readPostText(post: IntercomPost): string | null {
  return textOrNull(readText({ html: post.body }));
}

/** The files of a post, and the images inside its HTML: the Messenger puts a picture there. */
export function readFiles(post: IntercomPost): Attachment[] {
  const files = (post.attachments ?? []).flatMap((member): Attachment[] => {
    const { data } = intercomAttachment.safeParse(member);
    if (!data?.url) return [];
    const { url, filesize = null } = data;
    const name = textOrNull(data.name);
    return [{ name, contentType: textOrNull(data.content_type), size: filesize, url, providerId: null }];
  });
  const known = new Set(files.map((file) => file.url));
  const images = imageUrls(post.body ?? '').filter((url) => !known.has(url));
  return [
    ...files,
    ...images.map((url) => ({ name: fileName(url), contentType: null, size: null, url, providerId: null })),
  ];
}

/** Looks at tags one by one, because an expression over all of the HTML can be made to take seconds. */
function imageUrls(html: string): string[] {
  const urls = new Set<string>();
  for (let start = html.indexOf('<img'), tags = 0; start !== -1 && tags < maxImages; tags += 1) {
    const tag = html.slice(start, start + 4_096);
    const url = /^<img\s[^>]*?\bsrc="(https:\/\/[^"<>\s]+)"/.exec(tag)?.[1];
    if (url !== undefined) urls.add(url.replaceAll('&amp;', '&'));
    start = html.indexOf('<img', start + 4);
  }
  return [...urls];
}

function fileName(url: string): string | null {
  return textOrNull(URL.parse(url)?.pathname.split('/').at(-1));
}
