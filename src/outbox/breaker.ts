import { sql, type Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { PermanentError, RetryableError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import type { TargetPolicy } from './retry-policy.ts';

/** A target as the claim found it. */
export interface BreakerTarget {
  readonly tenantId: string;
  readonly id: string;
  readonly name: string;
  /** `half_open`: this delivery is the probe. */
  readonly state: 'closed' | 'open' | 'half_open';
  readonly policy: TargetPolicy;
}

/**
 * Circuit breakers. A target at which too many tries fail is opened: its deliveries wait without
 * burning tries. After a pause one of them goes as a probe; if it gets through the breaker closes,
 * else the next pause is twice as long. One that fails for days is paused until somebody looks. The
 * counting is each process's own, the state is in the target's row and so the same for all.
 */
export interface Breakers {
  /** The try got an answer that says the target is well. */
  succeeded(target: BreakerTarget): Promise<void>;
  /** The try threw. A refusal of this one request says that the target is well. */
  failed(target: BreakerTarget, error: unknown): Promise<void>;
}

interface Tries {
  readonly at: number[];
  readonly failedAt: number[];
}

const maxRemembered = 2_000;

/** @param nowMs a clock that never goes back, in milliseconds. */
export function createBreakers(db: Kysely<Database>, logger: Logger, nowMs: () => number): Breakers {
  const tries = new Map<string, Tries>();

  /** Notes a try; returns whether there are now too many failures among those of the window. */
  function note(target: BreakerTarget, hasFailed: boolean): boolean {
    const { failures, windowSeconds } = target.policy.breaker;
    const key = `${target.tenantId} ${target.id}`;
    const known = tries.get(key);
    if (!known && !hasFailed) return false;
    const seen = known ?? { at: [], failedAt: [] };
    const since = nowMs() - windowSeconds * 1000;
    for (const list of [seen.at, seen.failedAt]) {
      while ((list[0] ?? Infinity) < since || list.length > maxRemembered) list.shift();
    }
    seen.at.push(nowMs());
    if (hasFailed) seen.failedAt.push(nowMs());
    if (seen.failedAt.length === 0) tries.delete(key);
    else tries.set(key, seen);
    return hasFailed && seen.failedAt.length >= failures && seen.failedAt.length * 2 >= seen.at.length;
  }

  async function open(target: BreakerTarget, from: 'closed' | 'half_open', reason: string): Promise<void> {
    const { cooldownSeconds, maxCooldownSeconds, disableAfterSeconds } = target.policy.breaker;
    const { rows } = await sql<{ openings: number; disabled: boolean }>`
      update targets set breaker = 'open', breaker_openings = breaker_openings + 1,
        breaker_until = now() + least(${cooldownSeconds}::float8 * power(2, least(breaker_openings, 30)),
          ${maxCooldownSeconds}::float8) * interval '1 second',
        breaker_reason = ${reason}, failing_since = coalesce(failing_since, now()), updated_at = now(),
        status = case when failing_since < now() - ${disableAfterSeconds}::float8 * interval '1 second'
          then 'paused' else status end,
        status_reason = case when failing_since < now() - ${disableAfterSeconds}::float8 * interval '1 second'
          then 'failing' else status_reason end
      where tenant_id = ${target.tenantId} and id = ${target.id} and breaker = ${from} and status = 'active'
      returning breaker_openings as openings, status = 'paused' as disabled`.execute(db);
    tries.delete(`${target.tenantId} ${target.id}`);
    const [row] = rows;
    if (!row) return;
    const fields = { targetId: target.id, tenantId: target.tenantId, name: target.name, reason };
    if (row.disabled) logger.error(fields, 'a target has failed for too long and is paused: its deliveries wait');
    else logger.warn({ ...fields, openings: row.openings }, 'a target’s breaker has opened: its deliveries wait');
  }

  async function close(target: BreakerTarget): Promise<void> {
    const { rows } = await sql<{ id: string }>`
      update targets set breaker = 'closed', breaker_until = null, breaker_openings = 0, breaker_reason = null,
        failing_since = null, updated_at = now()
      where tenant_id = ${target.tenantId} and id = ${target.id} and breaker = 'half_open'
      returning id`.execute(db);
    if (rows.length > 0) logger.info({ targetId: target.id, name: target.name }, 'a target’s breaker has closed');
  }

  return {
    async succeeded(target) {
      note(target, false);
      if (target.state === 'half_open') await close(target);
    },
    async failed(target, error) {
      if (error instanceof PermanentError && error.code === 'target_refused') {
        if (target.state === 'half_open') await close(target);
        return;
      }
      if (!(error instanceof RetryableError)) return;
      if (target.state === 'half_open') return await open(target, 'half_open', error.message);
      if (note(target, true) && target.state === 'closed') await open(target, 'closed', error.message);
    },
  };
}
