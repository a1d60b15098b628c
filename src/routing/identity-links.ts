import type { Kysely, Selectable } from 'kysely';
import type { Database, IdentityLinksTable } from '../db/schema.ts';
import type { ChannelKind } from '../lib/channel-kinds.ts';
import { conflict, notFound } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import { normalizeIdentity } from '../lib/identity.ts';

export type IdentityLink = Selectable<IdentityLinksTable>;

export interface NewIdentityLink {
  readonly channel: ChannelKind;
  readonly externalIdentity: string;
  readonly userId: string;
  readonly agentSpecId: string | null;
  readonly verified: boolean;
}

/**
 * Says that an external identity is a user of ours. The identity is stored normalised.
 *
 * @throws PostroomError `conflict` where the identity has a link: it is one user's only.
 */
export async function createIdentityLink(
  db: Kysely<Database>,
  tenantId: string,
  given: NewIdentityLink,
): Promise<IdentityLink> {
  const row = await db
    .insertInto('identity_links')
    .values({
      tenant_id: tenantId,
      id: newId(),
      channel: given.channel,
      external_identity: normalizeIdentity(given.channel, given.externalIdentity),
      user_id: given.userId,
      agent_spec_id: given.agentSpecId,
      verified: given.verified,
    })
    .onConflict((clash) => clash.columns(['tenant_id', 'channel', 'external_identity']).doNothing())
    .returningAll()
    .executeTakeFirst();
  if (!row) throw conflict('this identity is linked already', ['body', 'externalIdentity']);
  return row;
}

/** Identity links of a tenant, newest first. */
export async function listIdentityLinks(
  db: Kysely<Database>,
  tenantId: string,
  page: { limit: number; offset: number },
): Promise<IdentityLink[]> {
  return await db
    .selectFrom('identity_links')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .orderBy('id', 'desc')
    .limit(page.limit)
    .offset(page.offset)
    .execute();
}

/** Marks a link as verified; one that is so already stays so. @throws PostroomError `not_found`. */
export async function verifyIdentityLink(
  db: Kysely<Database>,
  tenantId: string,
  id: string,
  now: Date,
): Promise<IdentityLink> {
  const row = await db
    .updateTable('identity_links')
    .set({ verified: true, updated_at: now })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst();
  if (!row) throw notFound('identity link', ['path', 'link_id']);
  return row;
}

/** @throws PostroomError `not_found`. */
export async function deleteIdentityLink(db: Kysely<Database>, tenantId: string, id: string): Promise<void> {
  const row = await db
    .deleteFrom('identity_links')
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .returning('id')
    .executeTakeFirst();
  if (!row) throw notFound('identity link', ['path', 'link_id']);
}
