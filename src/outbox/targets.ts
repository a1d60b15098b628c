import { sql, type Kysely, type Selectable } from 'kysely';
import { z } from 'zod';
import { toPage, type Page, type PageQuery } from '../db/page.ts';
import type { Database, TargetsTable } from '../db/schema.ts';
import { notFound } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import type { Sealer } from '../lib/sealing.ts';
import { newWebhookSecret } from '../lib/standard-webhooks.ts';
import { targetPolicy, type TargetPolicy } from './retry-policy.ts';

export type Target = Omit<Selectable<TargetsTable>, 'secrets' | 'policy'> & { policy: TargetPolicy };

const storedSecrets = z.array(z.object({ value: z.string(), expiresAt: z.iso.datetime().nullable() }));

const shown = [
  'tenant_id',
  'id',
  'kind',
  'name',
  'url',
  'policy',
  'status',
  'status_reason',
  'breaker',
  'breaker_until',
  'breaker_openings',
  'breaker_reason',
  'failing_since',
  'created_at',
  'updated_at',
] as const;

/** A stored policy may be older than the code: what it lacks gets its default. */
function withPolicy<Row extends { policy: unknown }>(row: Row): Omit<Row, 'policy'> & { policy: TargetPolicy } {
  return { ...row, policy: targetPolicy.parse(row.policy) };
}

function context(tenantId: string, targetId: string): string {
  return `target:${tenantId}:${targetId}`;
}

export interface NewTarget {
  readonly kind: string;
  readonly name: string;
  readonly url: string;
  readonly secret: string | undefined;
  readonly policy: TargetPolicy;
}

/** Makes a target. The secret, given or made, is in this one answer. */
export async function createTarget(
  db: Kysely<Database>,
  sealer: Sealer,
  tenantId: string,
  given: NewTarget,
): Promise<{ target: Target; secret: string }> {
  const id = newId();
  const secret = given.secret ?? newWebhookSecret();
  const row = await db
    .insertInto('targets')
    .values({
      tenant_id: tenantId,
      id,
      kind: given.kind,
      name: given.name,
      url: given.url,
      secrets: sealer.seal(JSON.stringify([{ value: secret, expiresAt: null }]), context(tenantId, id)),
      policy: JSON.stringify(given.policy),
    })
    .returning(shown)
    .executeTakeFirstOrThrow();
  return { target: withPolicy(row), secret };
}

export async function listTargets(db: Kysely<Database>, tenantId: string, page: PageQuery): Promise<Page<Target>> {
  const rows = await db
    .selectFrom('targets')
    .select(shown)
    .where('tenant_id', '=', tenantId)
    .where('status', '!=', 'deleted')
    .$if(page.cursor !== undefined, (query) => query.where('id', '<', page.cursor as string))
    .orderBy('id', 'desc')
    .limit(page.limit + 1)
    .execute();
  return toPage(rows, page.limit, withPolicy);
}

/** @throws PostroomError `not_found`. */
export async function getTarget(db: Kysely<Database>, tenantId: string, id: string): Promise<Target> {
  const row = await db
    .selectFrom('targets')
    .select(shown)
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .where('status', '!=', 'deleted')
    .executeTakeFirst();
  if (!row) throw notFound('target', ['path', 'targetId']);
  return withPolicy(row);
}

export interface TargetChange {
  readonly name?: string | undefined;
  readonly url?: string | undefined;
  readonly policy?: TargetPolicy | undefined;
  readonly status?: 'active' | 'paused' | undefined;
  /** By hand: `open` until somebody closes it. */
  readonly breaker?: 'open' | 'closed' | undefined;
}

const closedBreaker = {
  breaker: 'closed',
  breaker_until: null,
  breaker_openings: 0,
  breaker_reason: null,
  failing_since: null,
} as const;
const openBreaker = { ...closedBreaker, breaker: 'open', breaker_reason: 'by_hand' } as const;

/**
 * Changes a target. Deliveries to a paused target wait without burning tries; set to active again,
 * they are due at once.
 */
export async function updateTarget(
  db: Kysely<Database>,
  tenantId: string,
  id: string,
  change: TargetChange,
): Promise<Target> {
  return await db.transaction().execute(async (trx) => {
    const row = await trx
      .updateTable('targets')
      .set({
        updated_at: sql<Date>`now()`,
        ...(change.name === undefined ? {} : { name: change.name }),
        ...(change.url === undefined ? {} : { url: change.url }),
        ...(change.policy === undefined ? {} : { policy: JSON.stringify(change.policy) }),
        ...(change.status === undefined
          ? {}
          : { status: change.status, status_reason: change.status === 'paused' ? 'by_hand' : null }),
        // Set to active again it starts anew: whatever it failed by is thought to be mended.
        ...(change.breaker === 'closed' || change.status === 'active' ? closedBreaker : {}),
        ...(change.breaker === 'open' ? openBreaker : {}),
      })
      .where('tenant_id', '=', tenantId)
      .where('id', '=', id)
      .where('status', '!=', 'deleted')
      .returning(shown)
      .executeTakeFirst();
    if (!row) throw notFound('target', ['path', 'targetId']);
    if (row.status === 'active') await releaseHeld(trx, tenantId, id);
    return withPolicy(row);
  });
}

/** Ends a target: its secret is gone, what still waits for it becomes dead and keeps its payload. */
export async function deleteTarget(db: Kysely<Database>, tenantId: string, id: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const row = await trx
      .updateTable('targets')
      .set({ status: 'deleted', secrets: '', updated_at: sql<Date>`now()` })
      .where('tenant_id', '=', tenantId)
      .where('id', '=', id)
      .where('status', '!=', 'deleted')
      .returning('id')
      .executeTakeFirst();
    if (!row) throw notFound('target', ['path', 'targetId']);
    await releaseHeld(trx, tenantId, id);
  });
}

async function releaseHeld(db: Kysely<Database>, tenantId: string, targetId: string): Promise<void> {
  await sql`update deliveries set held = false, run_at = least(run_at, now())
    where tenant_id = ${tenantId} and target_id = ${targetId} and held`.execute(db);
}

/** Pauses a target because it answered 410: nothing more is sent until somebody sets it to active. */
export async function pauseGoneTarget(db: Kysely<Database>, tenantId: string, id: string): Promise<void> {
  await db
    .updateTable('targets')
    .set({ status: 'paused', status_reason: 'answered_410_gone', updated_at: sql<Date>`now()` })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .where('status', '=', 'active')
    .execute();
}

/** Gives a target a new secret; for `graceSeconds` what is sent carries a signature by the old one too. */
export async function rotateTargetSecret(
  db: Kysely<Database>,
  sealer: Sealer,
  tenantId: string,
  id: string,
  given: { secret: string | undefined; graceSeconds: number; now: Date },
): Promise<{ target: Target; secret: string }> {
  return await db.transaction().execute(async (trx) => {
    const row = await trx
      .selectFrom('targets')
      .select('secrets')
      .where('tenant_id', '=', tenantId)
      .where('id', '=', id)
      .where('status', '!=', 'deleted')
      .forUpdate()
      .executeTakeFirst();
    if (!row) throw notFound('target', ['path', 'targetId']);
    const secret = given.secret ?? newWebhookSecret();
    const expiresAt = new Date(given.now.getTime() + given.graceSeconds * 1000).toISOString();
    const [current] = openTargetSecrets(sealer, tenantId, id, row.secrets, given.now);
    const secrets = [
      { value: secret, expiresAt: null },
      ...(current === undefined || given.graceSeconds === 0 ? [] : [{ value: current, expiresAt }]),
    ];
    const changed = await trx
      .updateTable('targets')
      .set({ secrets: sealer.seal(JSON.stringify(secrets), context(tenantId, id)), updated_at: given.now })
      .where('tenant_id', '=', tenantId)
      .where('id', '=', id)
      .returning(shown)
      .executeTakeFirstOrThrow();
    return { target: withPolicy(changed), secret };
  });
}

/** The secrets of a target that are live at a moment, newest first. */
export function openTargetSecrets(sealer: Sealer, tenantId: string, id: string, sealed: string, now: Date): string[] {
  return storedSecrets
    .parse(JSON.parse(sealer.open(sealed, context(tenantId, id))))
    .filter(({ expiresAt }) => expiresAt === null || new Date(expiresAt) > now)
    .map(({ value }) => value);
}
