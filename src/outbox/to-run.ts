import { sql } from 'kysely';

/**
 * The words of the index that claims find deliveries in, `deliveries_to_run`, on `deliveries d`. They
 * stand in statements as they stand there, or PostgreSQL does not see that the index will do.
 */

/** Stands for "no target" where a lane is looked up. */
export const noTarget = '00000000-0000-0000-0000-000000000000';
/** Literal: a parameter would not be found in the index. */
export const firstLane = sql.raw(`'${noTarget}'::uuid`);
/** What deliveries queue up for: their target, or nowhere. */
export const lane = sql`coalesce(d.target_id, ${firstLane})`;
/** It waits for its turn or its time, or runs. */
export const isInLane = sql`d.finished_at is null and d.on_deadline is null and not d.held and not d.blocked`;
/** It waits for nothing but its time and a worker. */
export const isWaiting = sql`${isInLane} and d.state = 'pending'`;
