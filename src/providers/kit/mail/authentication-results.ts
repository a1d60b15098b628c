/**
 * The Authentication-Results header: `mx.example.com; dkim=pass header.d=example.org; spf=none`.
 * Read by tokens, because values come from the sender: a quoted string or a comment may hold `;`
 * and `dmarc=pass` without meaning it. Source: RFC 8601, section 2.2.
 */

export interface MethodResult {
  /** Lower-case: `dkim`, `dmarc`, `spf`. */
  readonly method: string;
  /** Lower-case: `pass`, `fail`, `none`. */
  readonly result: string;
  /** `header.from` → value; one that came twice with two values is left out. */
  readonly properties: ReadonlyMap<string, string>;
}

export interface AuthenticationResults {
  readonly authservId: string;
  readonly results: readonly MethodResult[];
}

type Token = { readonly text: string; readonly quoted: boolean } | ';' | '=';

/** The header's results, or undefined where it cannot be read to its end. */
export function parseAuthenticationResults(value: string): AuthenticationResults | undefined {
  const tokens = readTokens(value);
  if (!tokens) return undefined;
  const [head, ...parts] = splitAt(tokens, ';');
  const authservId = head?.[0];
  if (typeof authservId !== 'object') return undefined;
  return {
    authservId: authservId.text.toLowerCase(),
    results: parts.flatMap((part) => readResult(part) ?? []),
  };
}

function readResult(part: readonly Token[]): MethodResult | undefined {
  const pairs = readPairs(part);
  const first = pairs?.[0];
  if (!pairs || !first) return undefined;
  const properties = new Map<string, string>();
  const conflicting = new Set<string>();
  for (const [name, value] of pairs.slice(1)) {
    if ((properties.get(name) ?? value) !== value) conflicting.add(name);
    properties.set(name, value);
  }
  for (const name of conflicting) properties.delete(name);
  const method = first[0].split('/', 1)[0] ?? '';
  return { method, result: first[1].toLowerCase(), properties };
}

/** `a = b` three tokens at a time; undefined where the part is anything else, as `none` is. */
function readPairs(part: readonly Token[]): [string, string][] | undefined {
  const pairs: [string, string][] = [];
  for (let index = 0; index < part.length; index += 3) {
    const [name, equals, value] = part.slice(index, index + 3);
    if (typeof name !== 'object' || name.quoted || equals !== '=') return undefined;
    if (typeof value !== 'object') return undefined;
    pairs.push([name.text.toLowerCase(), value.text]);
  }
  return pairs;
}

function splitAt(tokens: readonly Token[], separator: Token): Token[][] {
  const parts: Token[][] = [[]];
  for (const token of tokens) {
    if (token === separator) parts.push([]);
    else parts.at(-1)?.push(token);
  }
  return parts;
}

/** Comments are dropped, quoted strings become one token. Undefined where one is not closed. */
function readTokens(text: string): Token[] | undefined {
  const tokens: Token[] = [];
  let index = 0;
  while (index < text.length) {
    const char = text.charAt(index);
    if (/\s/.test(char)) {
      index += 1;
    } else if (char === ';' || char === '=') {
      tokens.push(char);
      index += 1;
    } else if (char === '(') {
      const end = endOfComment(text, index);
      if (end === undefined) return undefined;
      index = end;
    } else if (char === '"') {
      const end = endOfQuote(text, index);
      if (end === undefined) return undefined;
      tokens.push({ text: text.slice(index + 1, end - 1).replace(/\\(.)/gs, '$1'), quoted: true });
      index = end;
    } else {
      const end = endOfWord(text, index);
      tokens.push({ text: text.slice(index, end), quoted: false });
      index = end;
    }
  }
  return tokens;
}

function endOfWord(text: string, start: number): number {
  let end = start;
  while (end < text.length && !/[\s;=("]/.test(text.charAt(end))) end += 1;
  return end;
}

function endOfQuote(text: string, start: number): number | undefined {
  for (let index = start + 1; index < text.length; index += 1) {
    if (text[index] === '\\') index += 1;
    else if (text[index] === '"') return index + 1;
  }
  return undefined;
}

function endOfComment(text: string, start: number): number | undefined {
  let depth = 0;
  for (let index = start; index < text.length; index += 1) {
    const char = text[index];
    if (char === '\\') index += 1;
    else if (char === '(') depth += 1;
    else if (char === ')') depth -= 1;
    if (depth === 0) return index + 1;
  }
  return undefined;
}
