import { sql, type Kysely, type Selectable } from 'kysely';
import type { Database, RejectionsTable } from '../db/schema.ts';
import { messageOf } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { storableJson } from '../lib/storable.ts';
import type { RejectReason } from '../provider.ts';

export type Rejection = Selectable<RejectionsTable>;

/** Evidence of a refused request: enough to see what was wrong, nothing that is secret or large. */
export interface RejectionSample {
  readonly method: string;
  readonly contentType: string | null;
  readonly userAgent: string | null;
  readonly bodyBytes: number;
  /** Names only: a value may be a signature or a credential. */
  readonly headerNames: readonly string[];
}

export interface RejectionLog {
  add(
    channel: { tenantId: string; id: string },
    reason: RejectReason | 'too_large',
    at: Date,
    sample: RejectionSample,
  ): void;
  flush(): Promise<void>;
}

interface Tally {
  tenantId: string;
  channelId: string;
  minute: Date;
  reason: string;
  count: number;
  sample: RejectionSample;
}

/** A flood of forged requests must cost little: rows are counted per channel, reason and minute. */
const maxTallies = 10_000;

/**
 * Counts refused requests and writes the counts now and then, so that "why did nothing arrive?" has
 * an answer. Unlike what was verified, this evidence may be lost in a crash.
 */
export function createRejectionLog(db: Kysely<Database>, logger: Logger): RejectionLog {
  let tallies = new Map<string, Tally>();
  let timer: NodeJS.Timeout | undefined;

  async function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    const rows = [...tallies.values()];
    tallies = new Map();
    if (rows.length === 0) return;
    try {
      await db
        .insertInto('rejections')
        .values(
          rows.map((row) => ({
            tenant_id: row.tenantId,
            channel_id: row.channelId,
            minute: row.minute,
            reason: row.reason,
            count: row.count,
            sample: storableJson(row.sample),
          })),
        )
        .onConflict((clash) =>
          clash.columns(['tenant_id', 'channel_id', 'minute', 'reason']).doUpdateSet({
            count: sql`rejections.count + excluded.count`,
            sample: sql`excluded.sample`,
          }),
        )
        .execute();
    } catch (error) {
      logger.warn({ error: messageOf(error), rows: rows.length }, 'evidence of refused requests was not written');
    }
  }

  return {
    add(channel, reason, at, sample) {
      const minute = new Date(Math.floor(at.getTime() / 60_000) * 60_000);
      const key = `${channel.id}:${reason}:${minute.getTime()}`;
      const tally = tallies.get(key);
      if (tally) {
        tally.count += 1;
        return;
      }
      if (tallies.size >= maxTallies) return;
      tallies.set(key, { tenantId: channel.tenantId, channelId: channel.id, minute, reason, count: 1, sample });
      timer ??= setTimeout(() => void flush(), 1_000);
    },
    flush,
  };
}

/** The latest refusals of a channel, by minute and reason, newest first. */
export async function listRejections(
  db: Kysely<Database>,
  tenantId: string,
  channelId: string,
  limit: number,
): Promise<Rejection[]> {
  return await db
    .selectFrom('rejections')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('channel_id', '=', channelId)
    .orderBy('minute', 'desc')
    .orderBy('reason')
    .limit(limit)
    .execute();
}
