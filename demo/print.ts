import type { Delivery, Decision, Trace } from './trace.ts';

const { stdout } = process;
/** See https://no-color.org. */
const isColoured = stdout.isTTY && !process.env['NO_COLOR'];
const paint =
  (code: number) =>
  (text: string): string =>
    isColoured ? `\u001B[${code}m${text}\u001B[0m` : text;
export const bold = paint(1);
const dim = paint(2);
const red = paint(31);
const green = paint(32);
const yellow = paint(33);

export function say(...lines: readonly string[]): void {
  stdout.write(`${lines.join('\n')}\n`);
}

/** One thing that the story says, and whether it is so. */
export interface Check {
  readonly says: string;
  readonly holds: boolean;
}

export function sayCheck({ says, holds }: Check): void {
  say(`    ${holds ? green('✓') : red('✗')} ${holds ? dim(says) : says}`);
}

/** A line with its label on the left; without a label it continues the one above. */
export function sayFact(label: string, text: string): void {
  say(`    ${dim(label.padEnd(8))} ${text}`);
}

const trustReasons: Record<string, string> = {
  verified_link_and_vouched: 'a verified link, and the provider vouches for the sender',
  link_not_verified: 'a link that nobody has verified yet',
  sender_not_vouched: 'a verified link, but nobody vouches that the sender is who they say',
  link_not_verified_and_sender_not_vouched: 'a link that is not verified, and a sender nobody vouches for',
  no_link: 'no identity link',
};

const routeReasons: Record<string, string> = {
  matched: 'its match holds, its policy lets the sender in',
  outranked: 'another route had decided already',
  match_false: 'its match does not hold',
  trust_too_low: 'its policy asks for more trust than the sender has',
  sender_not_allowed: 'its policy does not name the sender',
  sender_denied: 'its policy shuts the sender out',
};

/** Prints what became of a message: what came in, who, trust and why, routes and why, deliveries. */
export function sayTrace(trace: Trace, names: ReadonlyMap<string, string>): void {
  const { message, event, decision } = trace;
  sayFact('event', event ? `${event.provider}, ${event.outcome}` : 'dropped by retention');
  sayFact(
    'from',
    message.displayName ? `${message.displayName}, ${message.externalIdentity}` : message.externalIdentity,
  );
  if (message.recipient !== null) sayFact('to', message.recipient);
  if (message.text !== null) sayFact('text', `"${message.text}"`);
  for (const { name, contentType } of message.attachments) {
    sayFact('file', [name, contentType].filter((word) => word !== null).join(', '));
  }
  if (message.channelThreadId !== message.channelMessageId) sayFact('thread', message.channelThreadId ?? 'none');
  sayFact('user', message.userId ?? 'nobody we know');
  if (decision) sayDecision(decision, names);
  sayFact('status', paintStatus(message.status));
  for (const delivery of trace.deliveries) sayDelivery(delivery, names);
}

function paintStatus(status: string): string {
  return status === 'processed' ? green(status) : status === 'rejected' ? yellow(status) : red(status);
}

function sayDecision({ trust, considered }: Decision, names: ReadonlyMap<string, string>): void {
  const paintTrust = trust.level === 'verified' ? green : yellow;
  sayFact('trust', `${paintTrust(trust.level)}: ${trustReasons[trust.reason] ?? trust.reason}`);
  for (const [index, { routeId, scope, verdict, reason }] of considered.entries()) {
    const paintVerdict = { won: green, refused: yellow, lost: dim }[verdict];
    const name = names.get(routeId) ?? `route ${routeId}`;
    const why = routeReasons[reason];
    sayFact(
      index === 0 ? 'routes' : '',
      `${paintVerdict(verdict.padEnd(7))} ${name}, bound to the ${scope}: ${reason}${why ? dim(` (${why})`) : ''}`,
    );
  }
}

function sayDelivery({ handlerKind, targetId, state, attempts }: Delivery, names: ReadonlyMap<string, string>): void {
  const target = names.get(targetId ?? '') ?? targetId ?? 'no target';
  sayFact('delivery', `${handlerKind} → ${target}: ${state === 'succeeded' ? green(state) : red(state)}`);
  const first = Date.parse(attempts[0]?.startedAt ?? '');
  for (const { number, outcome, statusCode, startedAt, durationMs, error } of attempts) {
    const answer = statusCode === null ? (error?.message ?? 'no answer') : `answered ${statusCode}`;
    const at = `after ${String(Date.parse(startedAt) - first).padStart(4)} ms`;
    sayFact('', `attempt ${number} ${at}: ${answer} in ${durationMs} ms, ${outcome}`);
  }
}
