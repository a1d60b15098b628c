import { sql, type Kysely, type Selectable, type Transaction } from 'kysely';
import { toPage, type Page, type PageQuery } from '../db/page.ts';
import type { ChannelsTable, Database } from '../db/schema.ts';
import type { ChannelKind } from '../lib/channel-kinds.ts';
import { invalid, notFound } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import type { Sealer } from '../lib/sealing.ts';
import type { Provider } from '../provider.ts';
import { check, requiredSecrets, soleSecret } from './provider-secrets.ts';
import { fromGiven, liveSecrets, openSecrets, sealSecrets } from './channel-secrets.ts';

export type Channel = Omit<Selectable<ChannelsTable>, 'secrets'> & {
  /** Secrets without which it refuses everything, and which are still to be entered. */
  readonly missingSecrets: readonly string[];
};

/** What the use-cases of channels work with. */
export interface ChannelContext {
  readonly db: Kysely<Database>;
  readonly sealer: Sealer;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly now: () => Date;
}

export interface NewChannel {
  readonly provider: string;
  readonly name: string;
  readonly secrets: unknown;
  readonly settings: unknown;
}

/** The columns of a channel; `toChannel` leaves its secrets out. */
export const channelColumns = [
  'tenant_id',
  'id',
  'kind',
  'provider',
  'name',
  'secrets',
  'settings',
  'status',
  'created_at',
  'updated_at',
] as const;

/** A channel's row as anybody may see it: of its secrets only which are missing. */
export function toChannel(context: ChannelContext, row: Selectable<ChannelsTable>): Channel {
  const { secrets: sealed, ...rest } = row;
  const provider = context.providers.get(row.provider);
  const live = liveSecrets(openSecrets(context.sealer, row.tenant_id, row.id, sealed), context.now());
  const missingSecrets = provider ? requiredSecrets(provider).filter((name) => !live[name]?.length) : [];
  return { ...rest, missingSecrets };
}

/** A secret that Postroom made, to be shown in the one answer to who asked for it. */
export interface MadeSecret {
  readonly name: string;
  readonly value: string;
}

/**
 * Makes a channel. A secret that is ours to make (`newSecret`) and was not given is made. Without any
 * secrets the channel is made too, because some providers show theirs only once they know the URL:
 * it then refuses everything until they are entered.
 *
 * @throws PostroomError `invalid` where the provider is not known, or its secrets or settings are wrong.
 */
export async function createChannel(
  context: ChannelContext,
  tenantId: string,
  given: NewChannel,
): Promise<{ channel: Channel; madeSecret: MadeSecret | null }> {
  const provider = context.providers.get(given.provider);
  if (!provider) {
    const known = [...context.providers.keys()].join(', ');
    throw invalid(['body', 'provider'], `unknown provider; known are ${known}`, 'unknown_provider');
  }
  const settings = check(provider.settings, given.settings ?? {}, 'settings');
  const madeSecret = isEmpty(given.secrets) ? makeSecret(provider) : null;
  const secrets = isEmpty(given.secrets)
    ? Object.fromEntries(madeSecret ? [[madeSecret.name, [madeSecret.value]]] : [])
    : check(provider.secrets, given.secrets, 'secrets');
  const id = newId();
  const channel = await context.db
    .insertInto('channels')
    .values({
      tenant_id: tenantId,
      id,
      kind: provider.kind,
      provider: provider.name,
      name: given.name,
      secrets: sealSecrets(context.sealer, tenantId, id, fromGiven(secrets)),
      settings: JSON.stringify(settings),
    })
    .returning(channelColumns)
    .executeTakeFirstOrThrow();
  return { channel: toChannel(context, channel), madeSecret };
}

function isEmpty(given: unknown): boolean {
  return given === undefined || (typeof given === 'object' && given !== null && Object.keys(given).length === 0);
}

function makeSecret(provider: Provider): MadeSecret | null {
  const name = soleSecret(provider);
  return name !== undefined && provider.newSecret ? { name, value: provider.newSecret() } : null;
}

export async function listChannels(context: ChannelContext, tenantId: string, page: PageQuery): Promise<Page<Channel>> {
  const rows = await context.db
    .selectFrom('channels')
    .select(channelColumns)
    .where('tenant_id', '=', tenantId)
    .where('status', '!=', 'deleted')
    .$if(page.cursor !== undefined, (query) => query.where('id', '<', page.cursor as string))
    .orderBy('id', 'desc')
    .limit(page.limit + 1)
    .execute();
  return toPage(rows, page.limit, (row) => toChannel(context, row));
}

/** @throws PostroomError `not_found`. */
export async function getChannel(context: ChannelContext, tenantId: string, id: string): Promise<Channel> {
  const row = await context.db
    .selectFrom('channels')
    .select(channelColumns)
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .where('status', '!=', 'deleted')
    .executeTakeFirst();
  if (!row) throw notFound('channel', ['path', 'channelId']);
  return toChannel(context, row);
}

/** The kind of a channel that is there. @throws PostroomError `not_found`. */
export async function getChannelKind(db: Kysely<Database>, tenantId: string, id: string): Promise<ChannelKind> {
  const row = await db
    .selectFrom('channels')
    .select('kind')
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .where('status', '!=', 'deleted')
    .executeTakeFirst();
  if (!row) throw notFound('channel', ['path', 'channelId']);
  return row.kind;
}

export interface ChannelChange {
  readonly name?: string | undefined;
  readonly settings?: unknown;
  readonly status?: 'active' | 'paused' | undefined;
}

/**
 * Changes a channel. A paused channel still takes in what arrives, and holds it; set to active
 * again, what was held is routed.
 */
export async function updateChannel(
  context: ChannelContext,
  tenantId: string,
  id: string,
  change: ChannelChange,
): Promise<Channel> {
  const current = await getChannel(context, tenantId, id);
  const provider = context.providers.get(current.provider);
  const settings =
    change.settings === undefined || !provider ? undefined : check(provider.settings, change.settings, 'settings');
  return await context.db.transaction().execute(async (trx) => {
    const row = await trx
      .updateTable('channels')
      .set({
        updated_at: context.now(),
        ...(change.name === undefined ? {} : { name: change.name }),
        ...(change.status === undefined ? {} : { status: change.status }),
        ...(settings === undefined ? {} : { settings: JSON.stringify(settings) }),
      })
      .where('tenant_id', '=', tenantId)
      .where('id', '=', id)
      .where('status', '!=', 'deleted')
      .returning(channelColumns)
      .executeTakeFirst();
    if (!row) throw notFound('channel', ['path', 'channelId']);
    if (row.status === 'active') await releaseHeld(trx, tenantId, id);
    return toChannel(context, row);
  });
}

/**
 * Deletes a channel: its secrets are gone, its URL answers like one that never was, its routes end.
 * Messages that it brought stay; those that it held go to routing.
 */
export async function deleteChannel(context: ChannelContext, tenantId: string, id: string): Promise<void> {
  await context.db.transaction().execute(async (trx) => {
    const row = await trx
      .updateTable('channels')
      .set({ status: 'deleted', secrets: '', updated_at: context.now() })
      .where('tenant_id', '=', tenantId)
      .where('id', '=', id)
      .where('status', '!=', 'deleted')
      .returning('id')
      .executeTakeFirst();
    if (!row) throw notFound('channel', ['path', 'channelId']);
    await trx
      .updateTable('routes')
      .set({ status: 'deleted', updated_at: context.now() })
      .where('tenant_id', '=', tenantId)
      .where('channel_id', '=', id)
      .execute();
    await releaseHeld(trx, tenantId, id);
  });
}

async function releaseHeld(trx: Transaction<Database>, tenantId: string, channelId: string): Promise<void> {
  await trx
    .updateTable('inbound_messages')
    .set({ held: false })
    .where('tenant_id', '=', tenantId)
    .where('channel_id', '=', channelId)
    .where(sql<boolean>`held`)
    .execute();
}

/** The tenant's oldest e-mail channel; where it has none, one of the provider `mime` is made. */
export async function emailChannel(context: ChannelContext, tenantId: string): Promise<Channel> {
  const row = await context.db
    .selectFrom('channels')
    .select(channelColumns)
    .where('tenant_id', '=', tenantId)
    .where('kind', '=', 'email')
    .where('status', '!=', 'deleted')
    .orderBy('id')
    .executeTakeFirst();
  if (row) return toChannel(context, row);
  const made = { provider: 'mime', name: 'E-mail', secrets: undefined, settings: {} };
  return (await createChannel(context, tenantId, made)).channel;
}
