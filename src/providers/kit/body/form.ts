import type { WebhookRequest } from '../../../provider.ts';

/** Whether a request says that its body is a form. Few schemes sign what it says. */
export function isForm(headers: Headers): boolean {
  return /^\s*application\/x-www-form-urlencoded\b/i.test(headers.get('content-type') ?? '');
}

/** A form's fields. The `&` in front keeps a leading `?`, which the parser would drop. */
export function readForm(body: Uint8Array): URLSearchParams {
  const text = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true }).decode(body);
  return new URLSearchParams(`&${text}`);
}

/** The fields of a URL's query. */
export function readQuery(url: string): URLSearchParams {
  const bare = url.split('#', 1)[0] ?? url;
  const start = bare.indexOf('?');
  return new URLSearchParams(start === -1 ? '' : `&${bare.slice(start + 1)}`);
}

/**
 * The fields of a form, or of the query where the request is a GET. `verify` and `parse` both read
 * them here, so that nothing is parsed that a signature over fields does not cover: neither the body
 * of a GET, nor the query of a POST.
 */
export function readFields(request: WebhookRequest): URLSearchParams {
  return request.method === 'GET' ? readQuery(request.url) : readForm(request.body);
}

/** The first value of each field. */
export function firstValues(fields: Iterable<[string, string]>): Map<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of fields) if (!values.has(name)) values.set(name, value);
  return values;
}

/** All values of each field, in order. As a map: a field may be called `__proto__`. */
export function allValues(fields: Iterable<[string, string]>): Map<string, string[]> {
  const lists = new Map<string, string[]>();
  for (const [name, value] of fields) {
    const list = lists.get(name);
    if (list) list.push(value);
    else lists.set(name, [value]);
  }
  return lists;
}

/** How many fields a form can have at the most, counted without reading it. */
export function countFields(body: Uint8Array): number {
  let count = 1;
  for (const byte of body) if (byte === 0x26) count += 1;
  return count;
}
