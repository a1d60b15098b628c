import type { Json } from '../fields.ts';
import { isDeeperThan, keepJson, maxDepth } from '../kept-json.ts';

/** The payload for a message's metadata, or why it is left out there. Scalars are left out as well. */
export function keepPayload(payload: Json, bodyBytes: number): { payload?: Json; payloadOmitted?: string } {
  if (typeof payload !== 'object' || payload === null) return {};
  const result = keepJson(payload, bodyBytes);
  return 'kept' in result ? { payload: result.kept } : { payloadOmitted: result.omitted };
}

/** Text of any value: a string as it is, anything else as JSON; undefined where it is too deep. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (value === undefined || value === null) return undefined;
  return isDeeperThan(value, maxDepth) ? undefined : JSON.stringify(value);
}
