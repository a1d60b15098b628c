import type { Kysely, Selectable } from 'kysely';
import { toPage, type Page, type PageQuery } from '../db/page.ts';
import type { Database, EndpointsTable } from '../db/schema.ts';
import { conflict, notFound } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import { normalizeIdentity } from '../lib/identity.ts';
import { getChannelKind } from './channels.ts';

export type Endpoint = Selectable<EndpointsTable>;

/** The address that stands for every address of its channel. */
export const anyAddress = '*';

/**
 * Makes an endpoint: one address on a channel, in normalised form, or `*` for all of them.
 *
 * @throws PostroomError `not_found` for the channel, `conflict` where the address is taken.
 */
export async function createEndpoint(
  db: Kysely<Database>,
  tenantId: string,
  channelId: string,
  given: { address: string; displayName: string | null },
): Promise<Endpoint> {
  const kind = await getChannelKind(db, tenantId, channelId);
  const row = await db
    .insertInto('endpoints')
    .values({
      tenant_id: tenantId,
      id: newId(),
      channel_id: channelId,
      address: normalizeIdentity(kind, given.address),
      display_name: given.displayName,
    })
    .onConflict((clash) => clash.columns(['tenant_id', 'channel_id', 'address']).doNothing())
    .returningAll()
    .executeTakeFirst();
  if (!row) throw conflict('the channel has an endpoint with this address', ['body', 'address']);
  return row;
}

/** The endpoint that stands for the whole channel, made where it is not there yet. */
export async function wholeChannelEndpoint(
  db: Kysely<Database>,
  tenantId: string,
  channelId: string,
): Promise<Endpoint> {
  await getChannelKind(db, tenantId, channelId);
  return await db
    .insertInto('endpoints')
    .values({ tenant_id: tenantId, id: newId(), channel_id: channelId, address: anyAddress, display_name: null })
    // An update that changes nothing, so that the row comes back either way.
    .onConflict((clash) => clash.columns(['tenant_id', 'channel_id', 'address']).doUpdateSet({ address: anyAddress }))
    .returningAll()
    .executeTakeFirstOrThrow();
}

export async function listEndpoints(
  db: Kysely<Database>,
  tenantId: string,
  channelId: string,
  page: PageQuery,
): Promise<Page<Endpoint>> {
  await getChannelKind(db, tenantId, channelId);
  const rows = await db
    .selectFrom('endpoints')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('channel_id', '=', channelId)
    .$if(page.cursor !== undefined, (query) => query.where('id', '<', page.cursor as string))
    .orderBy('id', 'desc')
    .limit(page.limit + 1)
    .execute();
  return toPage(rows, page.limit, (row) => row);
}

/** @throws PostroomError `not_found`, also where the endpoint is another channel's. */
export async function getEndpoint(db: Kysely<Database>, tenantId: string, id: string): Promise<Endpoint> {
  const row = await db
    .selectFrom('endpoints')
    .innerJoin('channels', (join) =>
      join.onRef('channels.id', '=', 'endpoints.channel_id').onRef('channels.tenant_id', '=', 'endpoints.tenant_id'),
    )
    .selectAll('endpoints')
    .where('endpoints.tenant_id', '=', tenantId)
    .where('endpoints.id', '=', id)
    .where('channels.status', '!=', 'deleted')
    .executeTakeFirst();
  if (!row) throw notFound('endpoint', ['path', 'endpointId']);
  return row;
}
