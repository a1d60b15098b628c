import { LRUCache } from 'lru-cache';
import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { isUuid } from '../lib/ids.ts';
import type { Sealer } from '../lib/sealing.ts';
import { liveSecrets, openSecrets, type StoredSecrets } from './channel-secrets.ts';

/** A channel as the ingest path needs it: opened, in memory. */
export interface LiveChannel {
  readonly tenantId: string;
  readonly id: string;
  readonly provider: string;
  readonly settings: Record<string, unknown>;
  /** The secrets that are live now, per name, newest first. */
  secrets(now: Date): Record<string, string[]>;
}

export interface ChannelDirectory {
  /** The channel with this id, or undefined where there is none, or no more. */
  find(id: string): Promise<LiveChannel | undefined>;
  /** Forgets what is known of a channel, after it was changed here. */
  forget(id: string): void;
}

/** What is known is believed for so long; a change in another process takes effect after it. */
const freshForMs = 5_000;

/** Looks channels up by id, remembering 10,000 of them, the unknown ones too. */
export function createChannelDirectory(db: Kysely<Database>, sealer: Sealer): ChannelDirectory {
  const cache = new LRUCache<string, { channel: LiveChannel | undefined }>({
    max: 10_000,
    ttl: freshForMs,
    fetchMethod: async (id) => ({ channel: await load(db, sealer, id) }),
  });
  return {
    async find(id) {
      if (!isUuid(id)) return undefined;
      const key = id.toLowerCase();
      // A hit answers without a promise of fetch's own: this is the hot path.
      const known = cache.get(key) ?? (await cache.fetch(key));
      return known?.channel;
    },
    forget: (id) => void cache.delete(id.toLowerCase()),
  };
}

async function load(db: Kysely<Database>, sealer: Sealer, id: string): Promise<LiveChannel | undefined> {
  const row = await db
    .selectFrom('channels')
    .select(['tenant_id', 'id', 'provider', 'settings', 'secrets'])
    .where('id', '=', id)
    .where('status', '!=', 'deleted')
    .executeTakeFirst();
  if (!row) return undefined;
  const stored: StoredSecrets = openSecrets(sealer, row.tenant_id, row.id, row.secrets);
  return {
    tenantId: row.tenant_id,
    id: row.id,
    provider: row.provider,
    settings: row.settings,
    secrets: (now) => liveSecrets(stored, now),
  };
}
