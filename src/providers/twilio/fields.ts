import { z } from 'zod';
import type { WebhookRequest } from '../../provider.ts';
import { readForm, readJson } from '../kit/fields.ts';

/**
 * Where a request's fields are. Both `verify` and `parse` read them here, so that nothing is ever
 * parsed that the signature does not cover: neither the body of a GET, nor the query of a POST.
 */

/** The values of `bodySHA256` in the URL; with one, the body is JSON and signed by its hash. */
export function bodyHashes(url: string): string[] {
  return queryOf(url).getAll('bodySHA256');
}

/** The fields of a form or of a GET's query, in order, repeated ones included. */
export function readFields(request: WebhookRequest): URLSearchParams {
  return request.method === 'GET' ? queryOf(request.url) : readForm(request.body);
}

const jsonFields = z.record(z.string(), z.unknown());

/** The first value of each field, whichever way the request carries them. */
export function collectFields(request: WebhookRequest): Map<string, string> {
  const fields = new Map<string, string>();
  if (bodyHashes(request.url).length > 0) {
    const body = jsonFields.safeParse(readJson(request.body)).data ?? {};
    for (const [name, value] of Object.entries(body)) {
      if (typeof value === 'string') fields.set(name, value);
      if (typeof value === 'number' || typeof value === 'boolean') fields.set(name, String(value));
    }
    return fields;
  }
  for (const [name, value] of readFields(request)) if (!fields.has(name)) fields.set(name, value);
  return fields;
}

function queryOf(url: string): URLSearchParams {
  const bare = url.split('#', 1)[0] ?? url;
  const start = bare.indexOf('?');
  return new URLSearchParams(start === -1 ? '' : `&${bare.slice(start + 1)}`);
}
