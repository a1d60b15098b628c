import { isDeeperThan, keepAs, maxDepth } from '../body/kept-json.ts';
import type { Json } from '../fields.ts';

/** The payload for a message's metadata, or why it is left out there. Scalars are left out as well. */
export function keepPayload(payload: Json, bodyBytes: number): Record<string, Json> {
  return typeof payload === 'object' ? keepAs('payload', payload, bodyBytes) : {};
}

/** Text of any value: a string as it is, anything else as JSON; undefined where it is too deep. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (value === undefined || value === null) return undefined;
  return isDeeperThan(value, maxDepth) ? undefined : JSON.stringify(value);
}
