import { v7 } from 'uuid';

/** A new UUIDv7: sorts by time of making. PostgreSQL before 18 cannot make one itself. */
export function newId(): string {
  return v7();
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether a text is a UUID of any version, so that a query with it cannot fail on its form. */
export function isUuid(text: string): boolean {
  return uuid.test(text);
}

/** The smallest UUIDv7 of a moment: a bound for ranges over ids, which are ranges over time. */
export function firstIdAt(moment: Date): string {
  const hex = moment.getTime().toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}
