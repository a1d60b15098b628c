import { z } from 'zod';
import type { Sealer } from '../lib/sealing.ts';

/** A channel's secrets as they are sealed: per name the values, newest first, the older ones ending. */
const storedSecrets = z.record(
  z.string(),
  z.array(z.object({ value: z.string(), expiresAt: z.iso.datetime().nullable() })),
);
export type StoredSecrets = z.infer<typeof storedSecrets>;

/** What names a sealed text's row, so that it opens nowhere else. */
function context(tenantId: string, channelId: string): string {
  return `channel:${tenantId}:${channelId}`;
}

export function sealSecrets(sealer: Sealer, tenantId: string, channelId: string, secrets: StoredSecrets): string {
  return sealer.seal(JSON.stringify(secrets), context(tenantId, channelId));
}

export function openSecrets(sealer: Sealer, tenantId: string, channelId: string, sealed: string): StoredSecrets {
  return storedSecrets.parse(JSON.parse(sealer.open(sealed, context(tenantId, channelId))));
}

/** Secrets as a person gave them, none of them ending. */
export function fromGiven(given: Readonly<Record<string, readonly string[]>>): StoredSecrets {
  return Object.fromEntries(
    Object.entries(given).map(([name, values]) => [name, values.map((value) => ({ value, expiresAt: null }))]),
  );
}

/** The values that are live at a moment, newest first. */
export function liveSecrets(secrets: StoredSecrets, now: Date): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(secrets).map(([name, values]) => [
      name,
      values.filter(({ expiresAt }) => expiresAt === null || new Date(expiresAt) > now).map(({ value }) => value),
    ]),
  );
}

/**
 * Puts a new value in front; those before it stay live side by side for `graceSeconds`, which is
 * how long the provider may still sign with them.
 */
export function rotate(
  secrets: StoredSecrets,
  name: string,
  value: string,
  now: Date,
  graceSeconds: number,
): StoredSecrets {
  const until = new Date(now.getTime() + graceSeconds * 1000).toISOString();
  const older = (secrets[name] ?? [])
    .map((old) => ({
      value: old.value,
      expiresAt: old.expiresAt !== null && old.expiresAt < until ? old.expiresAt : until,
    }))
    .filter((old) => new Date(old.expiresAt) > now && old.value !== value);
  return { ...secrets, [name]: [{ value, expiresAt: null }, ...older].slice(0, 8) };
}
