import { messageOf } from '../lib/errors.ts';
import type { Parsed, Provider, ProviderChannel, WebhookRequest } from '../provider.ts';

/** A channel as its provider's code sees it, whichever provider that is. */
export type AnyChannel = ProviderChannel<Record<string, string[]>, Record<string, unknown>>;

export interface Reading {
  readonly parsed: Parsed;
  /** Why it could not be read; null where it could. */
  readonly unparsedReason: string | null;
}

const nothing: Parsed = { deliveryId: null, messages: [], ignored: [] };

/** Reads a verified request. A parser that throws makes it unparsed, with what it said. */
export async function readRequest(provider: Provider, request: WebhookRequest, channel: AnyChannel): Promise<Reading> {
  try {
    return { parsed: await provider.parse(request, channel), unparsedReason: null };
  } catch (error) {
    return { parsed: nothing, unparsedReason: messageOf(error).slice(0, 1_000) };
  }
}
