import { randomBytes, randomInt } from 'node:crypto';

/** Who plays, under names that no earlier run has used: an identity has one link per tenant. */
export interface People {
  /** What tells this run from others. */
  readonly run: string;
  readonly workspace: string;
  readonly ourNumber: string;
  readonly mailbox: string;
  /** Ada is linked and verified, Ben is linked, the stranger is neither. */
  readonly ada: string;
  readonly adaOnSlack: string;
  readonly adaSlackUser: string;
  readonly adaByMail: string;
  readonly ben: string;
  readonly benByPhone: string;
  readonly strangerByPhone: string;
}

export function invitePeople(): People {
  const run = randomBytes(4).toString('hex');
  const workspace = `T${run.toUpperCase()}`;
  const adaSlackUser = 'U0ADA0001';
  return {
    run,
    workspace,
    ourNumber: newNumber(),
    mailbox: `support-${run}@in.example.com`,
    ada: `ada-${run}`,
    adaOnSlack: `${workspace}:${adaSlackUser}`,
    adaSlackUser,
    adaByMail: `ada.${run}@example.org`,
    ben: `ben-${run}`,
    benByPhone: newNumber(),
    strangerByPhone: newNumber(),
  };
}

/** Area code 999 is nobody's. */
function newNumber(): string {
  return `+1999${randomInt(10_000_000).toString().padStart(7, '0')}`;
}
