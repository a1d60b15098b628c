import { eventually, sendWebhook, type Client } from './client.ts';
import { bold, say, sayCheck, sayFact, sayTrace, type Check } from './print.ts';
import { billingEvent, rawMail, slackReply, slackTimestamp, twilioMessage, type DemoRequest } from './requests.ts';
import type { DemoChannel, Scenery } from './scenery.ts';
import { isSettled, type Trace } from './trace.ts';

interface Context {
  /** Where the server is reached; what Twilio signs is the channel's ingest URL, which may differ. */
  readonly url: string;
  readonly client: Client;
  readonly scenery: Scenery;
}

/** What a message must have come to. */
interface Expected {
  readonly status: string;
  readonly trust: string;
  readonly trustReason: string;
  /** The route that decided, and how. */
  readonly route: string;
  readonly verdict: 'won' | 'refused';
  /** Answers of the target, try by try. */
  readonly answers: readonly number[];
  readonly checks: (trace: Trace) => readonly Check[];
}

/** Plays every step; returns all checks. */
export async function playStory(context: Context): Promise<Check[]> {
  const { scenery } = context;
  const { people } = scenery;
  const checks: Check[] = [];
  let steps = 0;
  const ts = slackTimestamp();

  step('A reply in a Slack thread', [
    "Ada's link is verified and Slack vouches for who writes, so she is trusted. The route for posts",
    'with files is asked first, its match does not hold, and the route of the whole channel takes it.',
  ]);
  const reply = slackReply(scenery, ts);
  const first = await playMessage(context, checks, scenery.slack, reply, {
    status: 'processed',
    trust: 'verified',
    trustReason: 'verified_link_and_vouched',
    route: 'anything from Slack',
    verdict: 'won',
    answers: [200],
    checks: ({ message }) => [
      { says: 'the thread is kept', holds: message.channelThreadId === '1741080000.000200' },
      { says: `it is ${people.ada}'s`, holds: message.userId === people.ada },
    ],
  });

  step('The same reply again', [
    'Slack did not hear our answer and posts the event again, signed anew. The target hears it once.',
  ]);
  await playDuplicate(context, checks, slackReply(scenery, ts), first);

  step('An SMS with a picture', [
    'Ben is linked, but nobody has verified that the number is his. The route asks for no more than',
    'that. The workflow that it goes to fails twice and then answers.',
  ]);
  const pictureUrl = 'https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1';
  const picture = twilioMessage(scenery, { from: people.benByPhone, text: 'This arrived broken', pictureUrl });
  await playMessage(context, checks, scenery.twilio, picture, {
    status: 'processed',
    trust: 'unverified',
    trustReason: 'link_not_verified',
    route: 'pictures by SMS',
    verdict: 'won',
    answers: [503, 503, 200],
    checks: ({ message }) => [
      { says: 'the picture is kept', holds: message.attachments[0]?.contentType === 'image/jpeg' },
    ],
  });

  step('An SMS from a stranger', [
    'Nobody knows the number, and the route asks for a known sender. The message is kept, and refused.',
  ]);
  const advert = twilioMessage(scenery, { from: people.strangerByPhone, text: 'You have won!' });
  await playMessage(context, checks, scenery.twilio, advert, {
    status: 'rejected',
    trust: 'unknown',
    trustReason: 'no_link',
    route: 'any other SMS',
    verdict: 'refused',
    answers: [],
    checks: () => [],
  });

  step('An e-mail with an attachment', [
    'Ada writes from her linked address, and our mail server has found that her domain stands for it.',
    'The route of the mailbox goes before the route of the whole channel.',
  ]);
  const mail = rawMail(scenery, { subject: 'The contract', text: 'Signed, as agreed.', proof: true });
  await playMessage(context, checks, scenery.mime, mail, {
    status: 'processed',
    trust: 'verified',
    trustReason: 'verified_link_and_vouched',
    route: 'mail to support',
    verdict: 'won',
    answers: [200],
    checks: ({ message }) => [
      { says: 'the attachment is listed', holds: message.attachments[0]?.name === 'contract.pdf' },
    ],
  });

  step('An e-mail that only says it is from Ada', [
    'The same From, but no proof of it: anybody can write a From line. The mailbox takes verified',
    'senders alone, and its refusal is final: the broader route is not asked.',
  ]);
  const spoof = rawMail(scenery, { subject: 'New account', text: 'Please pay to my new account.', proof: false });
  await playMessage(context, checks, scenery.mime, spoof, {
    status: 'rejected',
    trust: 'unverified',
    trustReason: 'sender_not_vouched',
    route: 'mail to support',
    verdict: 'refused',
    answers: [],
    checks: () => [],
  });

  step('A signed event of another system', [
    'Billing posts JSON, signed by Standard Webhooks. It is nobody of ours, and the route names it.',
  ]);
  await playMessage(context, checks, scenery.webhooks, billingEvent(scenery), {
    status: 'processed',
    trust: 'unknown',
    trustReason: 'no_link',
    route: 'paid invoices',
    verdict: 'won',
    answers: [200],
    checks: () => [],
  });

  step('A forged request', [
    'Somebody knows the URL and not the secret. Nothing is booked; the refusal is counted as evidence.',
  ]);
  await playForgery(context, checks, slackReply(scenery, slackTimestamp(), 'f'.repeat(32)));
  return checks;

  function step(title: string, about: readonly string[]): void {
    steps += 1;
    say('', bold(`${steps}  ${title}`), ...about.map((line) => `   ${line}`), '');
  }
}

/** Posts a request, waits until nothing more happens to its message, prints its trace and checks it. */
async function playMessage(
  context: Context,
  checks: Check[],
  channel: DemoChannel,
  request: DemoRequest,
  expected: Expected,
): Promise<Trace> {
  const { scenery } = context;
  const answer = await post(context, channel, request);
  const trace = await settledTrace(context, channel, request.messageId);
  sayTrace(trace, scenery.names);
  const { message, decision, deliveries } = trace;
  const decider = decision?.considered.find(({ verdict }) => verdict !== 'lost');
  const attempts = deliveries.flatMap((delivery) => delivery.attempts);
  const webhookIds = new Set(deliveries.map(({ id }) => id));
  const received = [...scenery.desk.received, ...scenery.workflow.received].filter((one) =>
    webhookIds.has(one.webhookId),
  );
  report(checks, [
    { says: 'the provider is answered 200', holds: answer.status === 200 },
    { says: `it is ${expected.status}`, holds: message.status === expected.status },
    {
      says: `trust is ${expected.trust}`,
      holds: message.trustLevel === expected.trust && decision?.trust.reason === expected.trustReason,
    },
    {
      says: `"${expected.route}" ${expected.verdict === 'won' ? 'takes it' : 'refuses it'}`,
      holds:
        decider !== undefined &&
        decider.verdict === expected.verdict &&
        scenery.names.get(decider.routeId) === expected.route,
    },
    {
      says:
        expected.answers.length === 0 ? 'nothing is delivered' : `the target answers ${expected.answers.join(', ')}`,
      holds: equal(
        attempts.map((attempt) => attempt.statusCode),
        expected.answers,
      ),
    },
    ...(expected.answers.length === 0
      ? []
      : [
          {
            says: 'the target finds every signature right, by the official SDK, and the same id at every try',
            holds: received.length === expected.answers.length && received.every((one) => one.verified),
          },
          {
            says: 'the target gets the text',
            holds: received.every((one) => one.type === 'message.received' && one.text === message.text),
          },
        ]),
    ...expected.checks(trace),
  ]);
  return trace;
}

async function playDuplicate(context: Context, checks: Check[], request: DemoRequest, first: Trace): Promise<void> {
  const { client, scenery } = context;
  const retry = { ...request.signed, headers: { ...request.signed.headers, 'x-slack-retry-num': '1' } };
  const answer = await post(context, scenery.slack, { ...request, signed: retry });
  const events = await client.get<Items<{ outcome: string }>>(`/events?channelId=${scenery.slack.id}`);
  const messages = await messagesOf(context, scenery.slack);
  const { deliveries } = await getTrace(context, first.message.id);
  const tries = scenery.desk.received.filter((one) => deliveries.some(({ id }) => id === one.webhookId));
  sayFact('event', `slack, ${events.items[0]?.outcome ?? 'none'}`);
  sayFact('message', `${first.message.id}, the one from before`);
  report(checks, [
    { says: 'the provider is answered 200', holds: answer.status === 200 },
    { says: 'the event is kept as a duplicate', holds: events.items[0]?.outcome === 'duplicate' },
    { says: 'there is one message', holds: messages.length === 1 },
    { says: 'the target got it once', holds: deliveries.length === 1 && tries.length === 1 },
  ]);
}

async function playForgery(context: Context, checks: Check[], request: DemoRequest): Promise<void> {
  const { client, scenery } = context;
  const path = `/events?channelId=${scenery.slack.id}`;
  const before = (await client.get<Items<unknown>>(path)).items.length;
  const answer = await post(context, scenery.slack, request);
  const after = (await client.get<Items<unknown>>(path)).items.length;
  const refusal = await eventually('the evidence of the forged request', async () => {
    const { items } = await client.get<Items<{ reason: string; count: number }>>(
      `/channels/${scenery.slack.id}/rejections`,
    );
    return items[0];
  });
  sayFact('evidence', `${refusal.reason}, ${refusal.count} time${refusal.count === 1 ? '' : 's'} in this minute`);
  report(checks, [
    { says: 'the request is answered 401', holds: answer.status === 401 },
    { says: 'no event is booked', holds: after === before },
    { says: 'the evidence says bad_signature', holds: refusal.reason === 'bad_signature' && refusal.count === 1 },
  ]);
}

interface Items<Item> {
  readonly items: readonly Item[];
}

async function post({ url }: Context, channel: DemoChannel, { signed }: DemoRequest) {
  const answer = await sendWebhook(`${url}/in/${channel.id}`, signed);
  sayFact('posted', `to ${channel.provider}, answered ${answer.status} after ${answer.ms} ms`);
  return answer;
}

async function messagesOf({ client }: Context, channel: DemoChannel): Promise<Trace['message'][]> {
  const { items } = await client.get<Items<Trace['message']>>('/inbound/messages?limit=200');
  return items.filter(({ channelId }) => channelId === channel.id);
}

async function getTrace({ client }: Context, messageId: string): Promise<Trace> {
  return await client.get(`/inbound/messages/${messageId}/trace`);
}

async function settledTrace(context: Context, channel: DemoChannel, channelMessageId: string): Promise<Trace> {
  return await eventually(`message ${channelMessageId} to come to rest (is there a worker?)`, async () => {
    const found = (await messagesOf(context, channel)).find((one) => one.channelMessageId === channelMessageId);
    if (!found) return undefined;
    const trace = await getTrace(context, found.id);
    return isSettled(trace) ? trace : undefined;
  });
}

function report(checks: Check[], news: readonly Check[]): void {
  say('');
  for (const check of news) sayCheck(check);
  checks.push(...news);
}

function equal(a: readonly (number | null)[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
