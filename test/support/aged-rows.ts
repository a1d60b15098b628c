import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { Database, DeliveryState, MessageStatus } from '../../src/db/schema.ts';
import { firstIdAt } from '../../src/lib/ids.ts';

/** Rows as they were made some time ago: their ids begin with that time, as all do. */

/** An id that was made at a moment. */
export function idAt(moment: Date): string {
  const tail = randomBytes(10).toString('hex');
  return `${firstIdAt(moment).slice(0, 14)}7${tail.slice(0, 3)}-8${tail.slice(3, 6)}-${tail.slice(6, 18)}`;
}

interface Aged {
  readonly tenantId: string;
  readonly at: Date;
}

export async function ageEvent(db: Kysely<Database>, { tenantId, at }: Aged): Promise<string> {
  const id = idAt(at);
  await db
    .insertInto('events')
    .values({
      tenant_id: tenantId,
      id,
      channel_id: tenantId,
      provider: 'standard-webhooks',
      received_at: at,
      method: 'POST',
      url: 'http://localhost/in/x',
      headers: '[]',
      body: Buffer.from('{}'),
      outcome: 'accepted',
      ignored: '[]',
    } as never)
    .execute();
  return id;
}

export async function ageMessage(
  db: Kysely<Database>,
  { tenantId, at, status = 'processed' }: Aged & { readonly status?: MessageStatus },
): Promise<string> {
  const id = idAt(at);
  await db
    .insertInto('inbound_messages')
    .values({
      tenant_id: tenantId,
      id,
      event_id: idAt(at),
      channel_id: tenantId,
      channel: 'sms',
      idempotency_key: id,
      external_identity: '+15550100200',
      display_name: 'Ada Lovelace',
      text: 'what was said',
      attachments: '[{"name":"secret.pdf"}]',
      channel_metadata: '{"subject":"private"}',
      vouched: true,
      status,
      // Nobody routes these.
      held: status === 'received',
      user_id: 'user-ada',
      decision: JSON.stringify({
        status: 'routed',
        reason: 'route_matched',
        identity: { userId: 'user-ada' },
        considered: [
          { routeId: 'r1', verdict: 'lost', reason: 'match_failed: no such key in what was said' },
          { routeId: 'r2', verdict: 'won', reason: 'matched' },
        ],
      }),
      error: JSON.stringify({ code: 'target_failed', message: 'it answered what was said' }),
      created_at: at,
      updated_at: at,
    })
    .execute();
  return id;
}

export async function ageDelivery(
  db: Kysely<Database>,
  {
    tenantId,
    at,
    messageId = idAt(at),
    state = 'succeeded',
    ...rest
  }: Aged & {
    readonly messageId?: string;
    readonly state?: DeliveryState;
    readonly holds_key?: boolean;
    readonly held?: boolean;
  },
): Promise<string> {
  const id = idAt(at);
  const isOver = ['succeeded', 'dead', 'cancelled'].includes(state);
  await db
    .insertInto('deliveries')
    .values({
      tenant_id: tenantId,
      id,
      message_id: messageId,
      handler_kind: 'process',
      state,
      created_at: at,
      updated_at: at,
      finished_at: isOver ? at : null,
      ...rest,
    })
    .execute();
  await db
    .insertInto('attempts')
    .values({
      tenant_id: tenantId,
      delivery_id: id,
      fence: 1,
      number: 1,
      worker: 'w',
      outcome: 'succeeded',
      started_at: at,
      duration_ms: 1,
    } as never)
    .execute();
  return id;
}
