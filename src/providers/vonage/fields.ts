import { z } from 'zod';
import type { WebhookRequest } from '../../provider.ts';
import { readForm, readQuery } from '../kit/body/form.ts';
import { readJson } from '../kit/fields.ts';

/**
 * The parameters of the SMS API's webhooks, which an account sends by GET, as a form or as JSON.
 * `verify` and `parse` both read them here, so that nothing is parsed that is not signed.
 */

/** Vonage sends about 15. They are sorted before it is known who sent them. */
const maxParams = 100;

const jsonParams = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

/** The parameters by name; undefined where they are none, or could be read in two ways. */
export function readParams(request: WebhookRequest): Map<string, string> | undefined {
  const pairs = readPairs(request);
  if (!pairs) return undefined;
  const params = new Map<string, string>();
  for (const [name, value] of pairs) {
    // Names are signed as they are: with these, one could stand for several parameters.
    if (params.has(name) || /[&=]/.test(name) || params.size >= maxParams) return undefined;
    params.set(name, value);
  }
  return params;
}

function readPairs(request: WebhookRequest): Iterable<[string, string]> | undefined {
  if (request.method === 'GET') return readQuery(request.url);
  if (!looksLikeJson(request.body)) return readForm(request.body);
  try {
    const params = jsonParams.safeParse(readJson(request.body)).data;
    return params && Object.entries(params).map(([name, value]) => [name, String(value)]);
  } catch {
    return undefined;
  }
}

/** The Content-Type is not signed; a form of Vonage's begins with a name. */
function looksLikeJson(body: Uint8Array): boolean {
  return body[0] === 0x7b;
}
