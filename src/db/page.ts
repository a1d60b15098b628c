/** One page of a list, newest first. `nextCursor` asks for the page after; null: there is none. */
export interface Page<Item> {
  readonly items: Item[];
  readonly nextCursor: string | null;
}

/** Which page: at most `limit` items, those older than the item whose id is `cursor`. */
export interface PageQuery {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** Makes a page of rows that were asked for with `limit + 1`: the one too many says that more follow. */
export function toPage<Row extends { id: string }, Item>(
  rows: readonly Row[],
  limit: number,
  show: (row: Row) => Item,
): Page<Item> {
  const shown = rows.slice(0, limit);
  return {
    items: shown.map(show),
    nextCursor: rows.length > limit ? (shown.at(-1)?.id ?? null) : null,
  };
}
