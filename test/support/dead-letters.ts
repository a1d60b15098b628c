import { randomUUID } from 'node:crypto';
import { sql, type Kysely } from 'kysely';
import type { Database } from '../../src/db/schema.ts';
import { newId } from '../../src/lib/ids.ts';

export interface DeadLetters {
  readonly tenantId: string;
  readonly channelId: string;
  readonly targetId?: string;
  readonly routeId?: string;
  /** The code of their error. */
  readonly reason?: string;
  readonly orderingKey?: string;
}

/** Books messages whose deliveries are dead, each with an attempt. Returns the deliveries' ids, oldest first. */
export async function bookDead(db: Kysely<Database>, count: number, given: DeadLetters): Promise<string[]> {
  const messages = Array.from({ length: count }, newId);
  const deliveries = Array.from({ length: count }, newId);
  const error = JSON.stringify({ code: given.reason ?? 'target_refused', message: 'no' });
  await sql`
    insert into inbound_messages (tenant_id, id, event_id, channel_id, channel, idempotency_key, external_identity,
      channel_message_id, attachments, channel_metadata, vouched, status, created_at, updated_at)
    select ${given.tenantId}::uuid, id, id, ${given.channelId}::uuid, 'webhook', id::text, 'ada',
      ${randomUUID()}::text || id, '[]', '{}', true, 'failed', now(), now()
    from unnest(${messages}::uuid[]) as m(id)`.execute(db);
  await sql`
    insert into deliveries (tenant_id, id, message_id, channel_id, route_id, target_id, handler_kind, state, attempts, fence, error,
      finished_at, ordering_key, seq)
    select ${given.tenantId}::uuid, d.id, d.message_id, ${given.channelId}::uuid, ${given.routeId ?? null}::uuid, ${given.targetId ?? null}::uuid,
      'process', 'dead', 1, 1, ${error}::jsonb, now(), ${given.orderingKey ?? null}::text,
      case when ${given.orderingKey ?? null}::text is not null then nextval('delivery_order') end
    from unnest(${deliveries}::uuid[], ${messages}::uuid[]) as d(id, message_id)`.execute(db);
  await sql`
    insert into attempts (tenant_id, delivery_id, fence, number, worker, outcome, error, started_at, duration_ms)
    select ${given.tenantId}::uuid, id, 1, 1, 'w', 'dead', ${error}::jsonb, now(), 1
    from unnest(${deliveries}::uuid[]) as d(id)`.execute(db);
  return deliveries;
}

/** Everything that a dry run must leave as it is. */
export async function contents(db: Kysely<Database>): Promise<unknown> {
  const tables = ['events', 'inbound_messages', 'deliveries', 'attempts', 'jobs', 'routes', 'channels', 'targets'];
  const dumps = tables.map(async (table) => {
    const { rows } = await sql<{ row: string }>`
      select t::text as row from ${sql.table(table)} t order by 1`.execute(db);
    return [table, rows.map(({ row }) => row)];
  });
  return Object.fromEntries(await Promise.all(dumps));
}
