import { LRUCache } from 'lru-cache';
import type { ParsedMessage } from '../provider.ts';
import { liveSecrets, openSecrets } from './channel-secrets.ts';
import type { ChannelContext } from './channels.ts';
import type { Event } from './events.ts';
import { completeSecrets } from './provider-secrets.ts';

/**
 * What reads stored events of a tenant again: the messages in them, by the channel's provider and
 * its settings as they are now. None where the channel is gone, or it cannot be read.
 */
export function createEventReader(
  context: ChannelContext,
  tenantId: string,
): (event: Event) => Promise<readonly ParsedMessage[]> {
  const channels = new LRUCache<string, { channel: Awaited<ReturnType<typeof findChannel>> }>({
    max: 1_000,
    fetchMethod: async (id) => ({ channel: await findChannel(context, tenantId, id) }),
  });
  return async (event) => {
    const channel = (await channels.fetch(event.channel_id))?.channel;
    if (!channel) return [];
    const request = { method: event.method, url: event.url, headers: new Headers(event.headers), body: event.body };
    try {
      return (await channel.provider.parse(request, channel)).messages;
    } catch {
      return [];
    }
  };
}

async function findChannel(context: ChannelContext, tenantId: string, id: string) {
  const row = await context.db
    .selectFrom('channels')
    .select(['provider', 'settings', 'secrets', 'status'])
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .executeTakeFirst();
  const provider = row && context.providers.get(row.provider);
  if (!row || !provider) return undefined;
  // A deleted channel has no secrets any more; most requests are read without.
  const stored = row.status === 'deleted' ? {} : openSecrets(context.sealer, tenantId, id, row.secrets);
  return {
    provider,
    settings: row.settings,
    secrets: completeSecrets(provider, liveSecrets(stored, context.now())),
  };
}
