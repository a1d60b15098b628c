import type { Completion } from './complete.ts';

/** Completions as columns: a parameter of a statement each, which `unnest` puts together again. */
export interface EndColumns {
  /** In the order of their ids, which all columns have: so those who end the same ones lock them in the same order. */
  readonly ordered: readonly Completion[];
  /** Of values that need no quotes. */
  column(value: (completion: Completion) => string | number): string;
  /** Where all values are alike the first stands for the rest: what is missing in the column is that. */
  alike<T>(value: (completion: Completion) => T): readonly T[];
  /** Where there is no value there is no column either: what is missing in it is null. */
  rare<T>(value: (completion: Completion) => T | null): readonly (T | null)[];
}

export function endColumns(completions: readonly Completion[]): EndColumns {
  const ordered = completions.toSorted((a, b) => (a.claim.id < b.claim.id ? -1 : 1));
  return {
    ordered,
    column: (value) => `{${ordered.map(value).join(',')}}`,
    alike(value) {
      const values = ordered.map(value);
      return values.every((one) => one === values[0]) ? values.slice(0, 1) : values;
    },
    rare(value) {
      const values = ordered.map(value);
      return values.some((one) => one !== null) ? values : [];
    },
  };
}
