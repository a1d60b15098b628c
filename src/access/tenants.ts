import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { newId } from '../lib/ids.ts';
import { createToken, isKnownToken } from './tokens.ts';

/** Makes a tenant; returns its id. */
export async function createTenant(db: Kysely<Database>, name: string): Promise<string> {
  const id = newId();
  await db.insertInto('tenants').values({ id, name }).execute();
  return id;
}

/** Every tenant, oldest first. */
export async function listTenants(db: Kysely<Database>): Promise<{ id: string; name: string; createdAt: Date }[]> {
  return await db.selectFrom('tenants').select(['id', 'name', 'created_at as createdAt']).orderBy('id').execute();
}

/** The first tenant's fixed id, so that processes that start at once agree on it. */
export const firstTenantId = '00000000-0000-7000-8000-000000000001';

/**
 * Makes sure that somebody can get in: the first tenant, and an admin token of it, either the given
 * one or, where the tenant has no token at all, a new one. `show` is given the new one's text once;
 * it is returned as well.
 */
export async function ensureFirstAdmin(
  db: Kysely<Database>,
  given: string | undefined,
  show: (token: string) => void = () => {},
): Promise<string | undefined> {
  return await db.transaction().execute(async (trx) => {
    await trx
      .insertInto('tenants')
      .values({ id: firstTenantId, name: 'default' })
      .onConflict((clash) => clash.column('id').doNothing())
      .execute();
    // Serialises processes that start at once: one makes the token, the others see it.
    await trx.selectFrom('tenants').select('id').where('id', '=', firstTenantId).forUpdate().execute();
    if (given !== undefined) {
      if (!(await isKnownToken(trx, given))) {
        await createToken(trx, firstTenantId, { name: 'POSTROOM_ADMIN_TOKEN', scope: 'admin', text: given });
      }
      return undefined;
    }
    const any = await trx.selectFrom('tokens').select('id').where('tenant_id', '=', firstTenantId).executeTakeFirst();
    if (any) return undefined;
    const { text } = await createToken(trx, firstTenantId, { name: 'first admin token', scope: 'admin' });
    // Before the commit: a crash after it would leave a token that nobody has seen.
    show(text);
    return text;
  });
}
