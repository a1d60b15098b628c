/** The parts of `GET /api/v1/inbound/messages/{id}/trace` that the demo shows and checks. */
export interface Trace {
  readonly message: {
    readonly id: string;
    readonly channel: string;
    readonly channelId: string;
    readonly channelMessageId: string | null;
    readonly channelThreadId: string | null;
    readonly externalIdentity: string;
    readonly displayName: string | null;
    readonly recipient: string | null;
    readonly text: string | null;
    readonly attachments: readonly { readonly name: string | null; readonly contentType: string | null }[];
    readonly status: string;
    readonly trustLevel: string;
    readonly userId: string | null;
    readonly vouched: boolean;
  };
  readonly event: { readonly outcome: string; readonly provider: string } | null;
  readonly decision: Decision | null;
  readonly deliveries: readonly Delivery[];
}

export interface Decision {
  readonly status: string;
  readonly reason: string;
  readonly trust: { readonly level: string; readonly reason: string };
  readonly considered: readonly {
    readonly routeId: string;
    readonly scope: string;
    readonly priority: number;
    readonly verdict: 'won' | 'refused' | 'lost';
    readonly reason: string;
  }[];
}

export interface Delivery {
  readonly id: string;
  readonly state: string;
  readonly handlerKind: string;
  readonly targetId: string | null;
  readonly attempts: readonly {
    readonly number: number;
    readonly outcome: string;
    readonly statusCode: number | null;
    readonly error: { readonly code?: string; readonly message?: string } | null;
    readonly startedAt: string;
    readonly durationMs: number;
  }[];
}

/** Whether nothing more will happen to the message by itself. */
export function isSettled(trace: Trace): boolean {
  const isRouted = trace.message.status !== 'received';
  return isRouted && trace.deliveries.every(({ state }) => state === 'succeeded' || state === 'dead');
}
