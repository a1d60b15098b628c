import { sql, type Kysely, type Selectable, type Transaction } from 'kysely';
import { toPage, type Page, type PageQuery } from '../db/page.ts';
import type { ChannelsTable, Database } from '../db/schema.ts';
import { invalid, notFound } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import type { Sealer } from '../lib/sealing.ts';
import type { Provider } from '../provider.ts';
import { fromGiven, sealSecrets } from './channel-secrets.ts';

export type Channel = Omit<Selectable<ChannelsTable>, 'secrets'>;

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

/** The columns of a channel that anybody may see: all but its secrets. */
export const shown = [
  'tenant_id',
  'id',
  'kind',
  'provider',
  'name',
  'settings',
  'status',
  'created_at',
  'updated_at',
] as const;

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
    .returning(shown)
    .executeTakeFirstOrThrow();
  return { channel, madeSecret };
}

function isEmpty(given: unknown): boolean {
  return given === undefined || (typeof given === 'object' && given !== null && Object.keys(given).length === 0);
}

function makeSecret(provider: Provider): MadeSecret | null {
  const name = soleSecret(provider);
  return name !== undefined && provider.newSecret ? { name, value: provider.newSecret() } : null;
}

const namesOf = new WeakMap<Provider, { readonly all: readonly string[]; readonly required: readonly string[] }>();

/** From the provider's schema; a secret is required where its schema does not take `undefined`. */
function readNames(provider: Provider): { readonly all: readonly string[]; readonly required: readonly string[] } {
  const known = namesOf.get(provider);
  if (known) return known;
  const shape = secretShape(provider);
  const all = Object.keys(shape);
  const names = { all, required: all.filter((name) => !shape[name]?.safeParse(undefined).success) };
  namesOf.set(provider, names);
  return names;
}

/** The schemas of a provider's secrets, by name. */
export function secretShape(provider: Provider): Readonly<Record<string, Checker<string[]>>> {
  return (provider.secrets as unknown as { shape?: Record<string, Checker<string[]>> }).shape ?? {};
}

/** The names of a provider's secrets. */
export function secretNames(provider: Provider): readonly string[] {
  return readNames(provider).all;
}

/** The names of those without which nothing can be verified. */
export function requiredSecrets(provider: Provider): readonly string[] {
  return readNames(provider).required;
}

/** The name of a provider's required secret where it has just one. */
export function soleSecret(provider: Provider): string | undefined {
  const { required } = readNames(provider);
  return required.length === 1 ? required[0] : undefined;
}

interface Checker<Output> {
  safeParse(
    value: unknown,
  ):
    | { success: true; data: Output }
    | { success: false; error: { issues: { path: PropertyKey[]; message: string; code?: string }[] } };
}

/** Judges a value by a provider's schema. @throws PostroomError `invalid`, which names the field. */
export function check<Output>(schema: Checker<Output>, value: unknown, field: string): Output {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = (issue?.path ?? []).map((part) => (typeof part === 'number' ? part : String(part)));
  throw invalid(['body', field, ...path], issue?.message ?? 'is wrong', issue?.code);
}

export async function listChannels(db: Kysely<Database>, tenantId: string, page: PageQuery): Promise<Page<Channel>> {
  const rows = await db
    .selectFrom('channels')
    .select(shown)
    .where('tenant_id', '=', tenantId)
    .where('status', '!=', 'deleted')
    .$if(page.cursor !== undefined, (query) => query.where('id', '<', page.cursor as string))
    .orderBy('id', 'desc')
    .limit(page.limit + 1)
    .execute();
  return toPage(rows, page.limit, (row) => row);
}

/** @throws PostroomError `not_found`. */
export async function getChannel(db: Kysely<Database>, tenantId: string, id: string): Promise<Channel> {
  const row = await db
    .selectFrom('channels')
    .select(shown)
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .where('status', '!=', 'deleted')
    .executeTakeFirst();
  if (!row) throw notFound('channel', ['path', 'channelId']);
  return row;
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
  const current = await getChannel(context.db, tenantId, id);
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
      .returning(shown)
      .executeTakeFirst();
    if (!row) throw notFound('channel', ['path', 'channelId']);
    if (row.status === 'active') await releaseHeld(trx, tenantId, id);
    return row;
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
    .select(shown)
    .where('tenant_id', '=', tenantId)
    .where('kind', '=', 'email')
    .where('status', '!=', 'deleted')
    .orderBy('id')
    .executeTakeFirst();
  if (row) return row;
  const made = { provider: 'mime', name: 'E-mail', secrets: undefined, settings: {} };
  return (await createChannel(context, tenantId, made)).channel;
}
