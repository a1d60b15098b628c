/**
 * The advisory locks of the whole service: numbers that nobody else takes on this database. They
 * stand together so that no two are the same.
 */

/** Held while messages are routed: one process at a time. */
export const routingLock = 7_067_041_001;
/** Held while a batch of retention is under way: one process at a time. */
export const retentionLock = 7_067_041_002;
