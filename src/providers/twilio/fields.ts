import { z } from 'zod';
import type { WebhookRequest } from '../../provider.ts';
import { firstValues, readFields, readQuery } from '../kit/body/form.ts';
import { readJson } from '../kit/fields.ts';

/** The values of `bodySHA256` in the URL; with one, the body is JSON and signed by its hash. */
export function bodyHashes(url: string): string[] {
  return readQuery(url).getAll('bodySHA256');
}

const jsonFields = z.record(z.string(), z.unknown());

/** The first value of each field, whichever way the request carries them. */
export function collectFields(request: WebhookRequest): Map<string, string> {
  if (bodyHashes(request.url).length === 0) return firstValues(readFields(request));
  const fields = new Map<string, string>();
  const body = jsonFields.safeParse(readJson(request.body)).data ?? {};
  for (const [name, value] of Object.entries(body)) {
    if (typeof value === 'string') fields.set(name, value);
    if (typeof value === 'number' || typeof value === 'boolean') fields.set(name, String(value));
  }
  return fields;
}
