import type { Completion } from './complete.ts';
import type { Work } from './work.ts';

/** One try that has ended, as far as whoever counts wants to know. */
export interface EndedTry {
  readonly work: Work;
  readonly outcome: Completion['outcome'];
  /** False: another worker had taken the delivery over, and the outcome changed nothing. */
  readonly counted: boolean;
  readonly durationMs: number;
  readonly endedAt: Date;
}

/** What the outbox tells whoever counts. It must not throw, and takes no time worth mentioning. */
export interface OutboxObserver {
  claimed(deliveries: number): void;
  tryEnded(ended: EndedTry): void;
  /** What a target called back, or did not in time, has ended a delivery or its try. */
  calledBack(outcome: Completion['outcome']): void;
  /** Deliveries whose worker gave no sign of life. */
  leasesTakenBack(deliveries: number): void;
}
