import { convert, type HtmlToTextOptions } from 'html-to-text';

/**
 * How much HTML is converted; mail that people write stays far below. 20,000 tags take 0.5 s at
 * worst, 300,000 that are nested in each other take 20 s. The event keeps all of it.
 */
const maxCharacters = 512 * 1024;
const maxTags = 20_000;

const options: HtmlToTextOptions = {
  wordwrap: false,
  selectors: [
    { selector: 'img', format: 'skip' },
    { selector: 'a', options: { hideLinkHrefIfSameAsText: true, ignoreHref: false } },
    // Headings keep their case: upper-casing them is the library's taste, not the sender's.
    ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((selector) => ({
      selector,
      options: { uppercase: false },
    })),
  ],
  // Deeper elements become "...": the conversion recurses, and 10,000 levels overflow its stack.
  limits: { maxDepth: 200, ellipsis: '...' },
};

/** The text of a message: its plain text, else its HTML as text; undefined where it has neither. */
export function readText(mail: { text?: string | undefined; html?: string | undefined }): string | undefined {
  const plain = mail.text?.trimEnd();
  if (plain) return plain;
  if (!mail.html) return undefined;
  try {
    return convert(shortenHtml(mail.html), options).trim() || undefined;
  } catch {
    return undefined; // HTML that the library cannot walk: the message is kept, and so are its bytes.
  }
}

function shortenHtml(html: string): string {
  let end = -1;
  for (let tags = 0; tags <= maxTags; tags += 1) {
    end = html.indexOf('<', end + 1);
    if (end === -1 || end > maxCharacters) break;
  }
  return html.slice(0, end === -1 ? maxCharacters : Math.min(end, maxCharacters));
}
