import { createHash, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Kysely, Selectable } from 'kysely';
import { toPage, type Page, type PageQuery } from '../db/page.ts';
import type { Database, Scope, TokensTable } from '../db/schema.ts';
import { notFound } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';

export type Token = Omit<Selectable<TokensTable>, 'hash'>;

/** Who is calling: one token of one tenant. */
export interface Caller {
  readonly tenantId: string;
  readonly tokenId: string;
  readonly scope: Scope;
}

const shown = ['tenant_id', 'id', 'name', 'scope', 'created_at', 'last_used_at', 'revoked_at'] as const;
const ranks: Record<Scope, number> = { read: 1, write: 2, admin: 3 };

/** Whether a scope covers another: `admin` covers `write` covers `read`. */
export function covers(held: Scope, needed: Scope): boolean {
  return ranks[held] >= ranks[needed];
}

/** A token has 256 random bits, so a plain SHA-256 of it cannot be searched back. */
function hashToken(token: string): Uint8Array {
  return createHash('sha256').update(token).digest();
}

/** Makes a token. The text is in this one answer and nowhere else: only its hash is stored. */
export async function createToken(
  db: Kysely<Database>,
  tenantId: string,
  given: { name: string; scope: Scope; text?: string },
): Promise<{ token: Token; text: string }> {
  const text = given.text ?? `prt_${randomBytes(32).toString('base64url')}`;
  const token = await db
    .insertInto('tokens')
    .values({ tenant_id: tenantId, id: newId(), name: given.name, scope: given.scope, hash: hashToken(text) })
    .returning(shown)
    .executeTakeFirstOrThrow();
  return { token, text };
}

export async function listTokens(db: Kysely<Database>, tenantId: string, page: PageQuery): Promise<Page<Token>> {
  const rows = await db
    .selectFrom('tokens')
    .select(shown)
    .where('tenant_id', '=', tenantId)
    .$if(page.cursor !== undefined, (query) => query.where('id', '<', page.cursor as string))
    .orderBy('id', 'desc')
    .limit(page.limit + 1)
    .execute();
  return toPage(rows, page.limit, (row) => row);
}

/** Ends a token at once in this process, within seconds in others. @throws PostroomError `not_found`. */
export async function revokeToken(db: Kysely<Database>, tenantId: string, id: string, now: Date): Promise<void> {
  const row = await db
    .updateTable('tokens')
    .set({ revoked_at: now })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .returning('id')
    .executeTakeFirst();
  if (!row) throw notFound('token', ['path', 'tokenId']);
}

/** Whether a token with this text is in the tokens, revoked or not. */
export async function isKnownToken(db: Kysely<Database>, text: string): Promise<boolean> {
  const row = await db.selectFrom('tokens').select('id').where('hash', '=', hashToken(text)).executeTakeFirst();
  return row !== undefined;
}

export interface Authenticator {
  /** The caller behind a token's text, or undefined where it is unknown or revoked. */
  authenticate(text: string): Promise<Caller | undefined>;
  /** Forgets every remembered token, after one was revoked here. */
  forget(): void;
}

/** Remembers who a token is for 5 s, the unknown ones too, so that a flood does not reach the database. */
export function createAuthenticator(db: Kysely<Database>, now: () => Date): Authenticator {
  const cache = new LRUCache<string, { caller: Caller | undefined }>({
    max: 10_000,
    ttl: 5_000,
    fetchMethod: async (_key, _stale, { context }) => ({ caller: await lookUp(db, context as Uint8Array, now()) }),
  });
  return {
    async authenticate(text) {
      const hash = hashToken(text);
      // Keyed by the hash: the cache holds no token.
      const known = await cache.fetch(Buffer.from(hash).toString('base64'), { context: hash });
      return known?.caller;
    },
    forget: () => cache.clear(),
  };
}

async function lookUp(db: Kysely<Database>, hash: Uint8Array, now: Date): Promise<Caller | undefined> {
  const row = await db
    .selectFrom('tokens')
    .select(['tenant_id', 'id', 'scope', 'last_used_at'])
    .where('hash', '=', hash)
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  if (!row) return undefined;
  // To the minute is exact enough, and one write a minute is cheap enough.
  if (row.last_used_at === null || now.getTime() - row.last_used_at.getTime() > 60_000) {
    await db
      .updateTable('tokens')
      .set({ last_used_at: now })
      .where('tenant_id', '=', row.tenant_id)
      .where('id', '=', row.id)
      .execute();
  }
  return { tenantId: row.tenant_id, tokenId: row.id, scope: row.scope };
}
