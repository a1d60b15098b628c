import type { Migration } from 'kysely/migration';
import * as spine from './0001_spine.ts';
import * as outbox from './0002_outbox.ts';
import * as leanOutbox from './0003_lean_outbox.ts';
import * as roomForVersions from './0004_room_for_versions.ts';

/** Every migration in order. A name, once merged, is frozen, and so is the file behind it. */
export const migrations: Record<string, Migration> = {
  '0001_spine': spine,
  '0002_outbox': outbox,
  '0003_lean_outbox': leanOutbox,
  '0004_room_for_versions': roomForVersions,
};
