import type { WebhookRequest } from '../../provider.ts';
import { readForm } from '../kit/fields.ts';

/**
 * Where a request's fields are. Both `verify` and `parse` read them here, so that nothing is ever
 * parsed that a V3 signature does not cover: neither the body of a GET, nor the query of a POST.
 */
export function readFields(request: WebhookRequest): URLSearchParams {
  return request.method === 'GET' ? queryOf(request.url) : readForm(request.body);
}

/** The first value of each field. */
export function collectFields(request: WebhookRequest): Map<string, string> {
  const fields = new Map<string, string>();
  for (const [name, value] of readFields(request)) if (!fields.has(name)) fields.set(name, value);
  return fields;
}

/** The fields of a URL's query. */
export function queryOf(url: string): URLSearchParams {
  const bare = url.split('#', 1)[0] ?? url;
  const start = bare.indexOf('?');
  return new URLSearchParams(start === -1 ? '' : `&${bare.slice(start + 1)}`);
}
