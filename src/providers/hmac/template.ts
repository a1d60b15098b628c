/** A template of what is signed, such as `v0:{timestamp}:{body}`, taken apart. */

const names = ['body', 'timestamp', 'id', 'method', 'url'] as const;
export type PlaceholderName = (typeof names)[number];

export type TemplatePart = { readonly literal: string } | { readonly placeholder: PlaceholderName };

/** The parts in order, empty literals left out; undefined where braces hold anything but a placeholder. */
export function parseTemplate(template: string): TemplatePart[] | undefined {
  // Split by a group: the text between stands at the even places, the placeholders at the odd ones.
  const pieces = template.split(/\{(body|timestamp|id|method|url)\}/);
  const parts = pieces.flatMap((piece, place): TemplatePart[] => {
    if (place % 2 === 1) return [{ placeholder: piece as PlaceholderName }];
    return piece === '' ? [] : [{ literal: piece }];
  });
  return parts.some((part) => 'literal' in part && /[{}]/.test(part.literal)) ? undefined : parts;
}

/** How often a placeholder stands in a template. */
export function countPlaceholder(parts: readonly TemplatePart[], name: PlaceholderName): number {
  return parts.filter((part) => 'placeholder' in part && part.placeholder === name).length;
}

/**
 * The texts on both sides of `{id}`; undefined where it touches another placeholder. An id that
 * holds one of them is refused: with `{id}.{body}`, the body `x.y` signed for the id `a` would be
 * the body `y` signed for the id `a.x`, and so a new message out of an old signature.
 */
export function boundsOfId(parts: readonly TemplatePart[]): string[] | undefined {
  const place = parts.findIndex((part) => 'placeholder' in part && part.placeholder === 'id');
  if (place === -1) return [];
  const neighbours = [parts[place - 1], parts[place + 1]].flatMap((part) => part ?? []);
  if (neighbours.some((part) => 'placeholder' in part)) return undefined;
  return neighbours.flatMap((part) => ('literal' in part ? [part.literal] : []));
}

/** What is signed: the template with its values. Texts are signed as UTF-8, the body as its bytes. */
export function fillTemplate(
  parts: readonly TemplatePart[],
  values: Readonly<Record<PlaceholderName, string | Uint8Array>>,
): (string | Uint8Array)[] {
  return parts.map((part) => ('literal' in part ? part.literal : values[part.placeholder]));
}
