import { sql, type Kysely, type RawBuilder } from 'kysely';
import type { Database } from './schema.ts';

/** How many rows a filter finds, counted no further than `countLimit`. */
export interface BoundedCount {
  readonly count: number;
  /** There are more than `count`. */
  readonly more: boolean;
}

/** Counting goes no further, so that asking never takes long. */
export const countLimit = 100_000;

/** @param from the table with its alias and conditions, as what follows `from`. */
export async function countRows(db: Kysely<Database>, from: RawBuilder<unknown>): Promise<BoundedCount> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from (select 1 from ${from} limit ${countLimit + 1}::int) found`.execute(db);
  const count = rows[0]?.count ?? 0;
  return { count: Math.min(count, countLimit), more: count > countLimit };
}

/** A slice of what a filter finds, in the order of ids: what comes after one id, up to another. */
export interface Slice {
  readonly after: string | null;
  readonly upTo: string | null;
  readonly limit: number;
}

/** The conditions of a slice, `limit` aside. */
export function withinSlice(id: string, { after, upTo }: Pick<Slice, 'after' | 'upTo'>): RawBuilder<unknown>[] {
  return [
    ...(after === null ? [] : [sql`${sql.ref(id)} > ${after}::uuid`]),
    ...(upTo === null ? [] : [sql`${sql.ref(id)} <= ${upTo}::uuid`]),
  ];
}

/** Conditions that all hold. */
export function all(conditions: readonly RawBuilder<unknown>[]): RawBuilder<boolean> {
  return sql<boolean>`${sql.join([...conditions], sql` and `)}`;
}
