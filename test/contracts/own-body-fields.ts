/** Field names that the providers of self-made JSON look at. */
export const ownBodyFields = [
  'sender',
  'from',
  'data',
  'text',
  'message',
  'id',
  'thread',
  'timestamp',
  'recipient',
  'to',
  'displayName',
  'type',
  'eventId',
  '__proto__',
  'constructor',
] as const;
