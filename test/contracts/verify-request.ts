import * as fc from 'fast-check';
import type { Verdict } from '../../src/provider.ts';
import { providers } from '../../src/providers/index.ts';
import { verifyContext } from '../support/provider-context.ts';
import { url } from './signer.ts';
import { signers } from './signers/index.ts';

/** Texts to sign, for comparing our verifiers with the providers' own code. */
export const anyText = fc.string({ unit: 'grapheme', maxLength: 200 });

/** What a provider says to a request, with the first set of secrets that its signer has. */
export async function verifyRequest(
  name: string,
  request: { method: string; url?: string; headers: Record<string, string>; body: string | Uint8Array },
  now: Date,
  settings: Record<string, unknown> = {},
): Promise<Verdict> {
  const provider = providers.get(name);
  if (!provider) throw new Error(`there is no provider ${name}`);
  const body = typeof request.body === 'string' ? new TextEncoder().encode(request.body) : request.body;
  const channel = {
    secrets: provider.secrets.parse(signers[name]?.secrets ?? {}),
    settings: provider.settings.parse(settings),
  };
  const whole = { method: request.method, url: request.url ?? url, headers: new Headers(request.headers), body };
  return await provider.verify(whole, channel, verifyContext(now));
}
