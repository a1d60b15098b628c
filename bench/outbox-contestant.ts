/**
 * One of those that the outbox benchmark compares, in a process of its own. The process is told what
 * to do by messages, and answers each.
 */
export interface Contestant {
  /** Enqueues so many jobs; nothing works on them yet. */
  fill(jobs: number): Promise<void>;
  /** Works on them with jobs that do nothing; resolves to the milliseconds that it took. */
  run(jobs: number): Promise<number>;
  /** How many are not done, by the store's own word. */
  countLeft(): Promise<number>;
  close(): Promise<void>;
}

export interface Order {
  readonly what: 'fill' | 'run' | 'close';
  readonly jobs: number;
}

export interface Answer {
  readonly milliseconds?: number;
  readonly error?: string;
}

/** What a job carries: the message that Postroom's handlers get, so that all read as much. */
export function messageOf(n: number): Record<string, unknown> {
  const id = `019386a0-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;
  return {
    id,
    tenantId: '00000000-0000-7000-8000-000000000001',
    channel: 'webhook',
    channelMessageId: id,
    channelThreadId: 'order-417',
    externalIdentity: 'customer-1@example.com',
    text: 'Could you tell me when my order will be sent? I have moved, and the address is an old one.',
    attachments: [],
    channelMetadata: { order: { number: 'A-2026-000417', currency: 'EUR', total: 129.9 } },
    idempotencyKey: `019386a0-0000-7000-8000-000000000000:${id}`,
    status: 'routed',
    trustLevel: 'verified',
    userId: 'user-1',
    routeTarget: null,
    routeTargetId: null,
    chatThreadId: null,
    chatTurnId: null,
    error: null,
    createdAt: '2026-11-21T10:00:00.000Z',
    updatedAt: '2026-11-21T10:00:00.000Z',
    eventId: id,
    channelId: '019386a0-0000-7000-8000-000000000000',
    endpointId: '019386a0-0000-7000-8000-000000000000',
    routeId: '019386a0-0000-7000-8000-000000000000',
    displayName: 'Ada Example',
    recipient: 'orders-1',
    sentAt: null,
    vouched: true,
  };
}

/** Counts jobs from the first one's start on. */
export interface JobCounter {
  ran(jobs?: number): void;
  /** Resolves when all have run. */
  readonly all: Promise<void>;
  /** Milliseconds since the first one started. */
  elapsed(): number;
}

export function countJobs(jobs: number): JobCounter {
  let left = jobs;
  let startedAt = 0;
  const { promise: all, resolve } = Promise.withResolvers<void>();
  return {
    all,
    ran(count = 1) {
      if (startedAt === 0) startedAt = performance.now();
      left -= count;
      if (left <= 0) resolve();
    },
    elapsed: () => performance.now() - startedAt,
  };
}

/** Runs a contestant as a child process; what it is given is the process's one argument, as JSON. */
export function serveContestant(create: (given: never) => Promise<Contestant>): void {
  const contestant = create(JSON.parse(process.argv[2] ?? '') as never);
  process.on('message', (order: Order) => {
    void obey(contestant, order).then(
      (answer) => process.send?.(answer),
      (error: unknown) => process.send?.({ error: error instanceof Error ? error.stack : String(error) }),
    );
  });
  process.on('disconnect', () => process.exit());
  process.on('SIGTERM', () => process.exit());
}

async function obey(created: Promise<Contestant>, { what, jobs }: Order): Promise<Answer> {
  const contestant = await created;
  if (what === 'fill') await contestant.fill(jobs);
  if (what === 'close') await contestant.close();
  if (what !== 'run') return {};
  const milliseconds = await contestant.run(jobs);
  const left = await contestant.countLeft();
  return left === 0 ? { milliseconds } : { error: `${left} of ${jobs} jobs were left` };
}
