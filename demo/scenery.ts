import { randomBytes } from 'node:crypto';
import { ApiError, type Client } from './client.ts';
import { DemoError } from './options.ts';
import type { People } from './people.ts';
import type { DemoTarget } from './targets.ts';

/** A channel with the secret that its provider signs with. */
export interface DemoChannel {
  readonly id: string;
  readonly provider: string;
  readonly name: string;
  readonly ingestUrl: string;
  readonly secret: string;
}

/** What the story is played on: made through the public API, new for every run. */
export interface Scenery {
  readonly slack: DemoChannel;
  readonly twilio: DemoChannel;
  readonly mime: DemoChannel;
  readonly webhooks: DemoChannel;
  readonly people: People;
  readonly desk: DemoTarget & { readonly id: string };
  readonly workflow: DemoTarget & { readonly id: string };
  /** What a route or a target is called, by its id. */
  readonly names: ReadonlyMap<string, string>;
}

interface Made {
  readonly id: string;
}

/** Sets up channels, endpoints, targets, identity links and routes. */
export async function buildScenery(
  client: Client,
  people: People,
  targets: { desk: DemoTarget; workflow: DemoTarget },
): Promise<Scenery> {
  const { run } = people;
  const names = new Map<string, string>();

  async function createTarget(kind: string, name: string, target: DemoTarget, policy: object) {
    const made = await client
      .post<Made & { secret: string }>('/targets', { kind, name: `${name} ${run}`, url: target.url, policy })
      .catch((error: unknown) => {
        throw explainRefusal(error);
      });
    names.set(made.id, name);
    target.secret = made.secret;
    return Object.assign(target, { id: made.id });
  }

  async function createChannel(provider: string, secretName: string, secret: string, settings: object = {}) {
    const name = `demo ${provider} ${run}`;
    const secrets = { [secretName]: secret };
    const made = await client.post<DemoChannel>('/channels', { provider, name, secrets, settings });
    return { ...made, secret };
  }

  async function createRoute(name: string, route: object): Promise<void> {
    names.set((await client.post<Made>('/communications/routes', route)).id, name);
  }

  const desk = await createTarget('agent', 'Desk', targets.desk, {});
  const workflow = await createTarget('workflow', 'Picture workflow', targets.workflow, { backoffBaseMs: 100 });

  const slack = await createChannel('slack', 'signingSecret', randomBytes(16).toString('hex'));
  const twilio = await createChannel('twilio', 'authToken', randomBytes(16).toString('hex'));
  const mime = await createChannel('mime', 'secret', newSecret(), { trustedAuthservIds: ['mx.example.com'] });
  const webhooks = await createChannel('standard-webhooks', 'secret', newSecret());

  const workspace = await createEndpoint(client, slack, people.workspace);
  const number = await createEndpoint(client, twilio, people.ourNumber);
  const mailbox = await createEndpoint(client, mime, people.mailbox);

  const toDesk = { targetId: desk.id };
  const known = { minimumTrust: 'unverified' };
  await createRoute('Slack posts with files', {
    ...toDesk,
    endpointId: workspace,
    config: { match: 'message.attachments.size() > 0' },
  });
  await createRoute('anything from Slack', { ...toDesk, channelId: slack.id });
  await createRoute('pictures by SMS', {
    targetId: workflow.id,
    endpointId: number,
    priority: 10,
    allowedSenderPolicy: known,
    config: { match: 'message.attachments.exists(a, a.contentType.startsWith("image/"))' },
  });
  await createRoute('any other SMS', { ...toDesk, endpointId: number, allowedSenderPolicy: known });
  await createRoute('mail to support', {
    ...toDesk,
    endpointId: mailbox,
    allowedSenderPolicy: { minimumTrust: 'verified' },
  });
  await createRoute('any other mail', { ...toDesk, channelId: mime.id });
  await createRoute('paid invoices', {
    ...toDesk,
    channelId: webhooks.id,
    allowedSenderPolicy: { allow: ['billing'] },
    config: { match: 'has(metadata.type) && metadata.type == "invoice.paid"' },
  });

  await link(client, 'slack', people.adaOnSlack, people.ada, true);
  await link(client, 'email', people.adaByMail, people.ada, true);
  await link(client, 'sms', people.benByPhone, people.ben, false);
  return { slack, twilio, mime, webhooks, people, desk, workflow, names };
}

function newSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}

async function createEndpoint(client: Client, channel: DemoChannel, address: string): Promise<string> {
  return (await client.post<Made>(`/channels/${channel.id}/endpoints`, { address })).id;
}

async function link(
  client: Client,
  channel: string,
  externalIdentity: string,
  userId: string,
  verified: boolean,
): Promise<void> {
  await client.post('/inbound/identity-links', { channel, externalIdentity, userId, verified });
}

function explainRefusal(error: unknown): unknown {
  if (!(error instanceof ApiError) || error.type !== 'blocked_address') return error;
  return new DemoError(
    `The server refuses targets on this machine (${error.message}).\n` +
      'Start it with ALLOW_PRIVATE_TARGETS=127.0.0.0/8 to play the demo against it:\n\n' +
      '  ALLOW_PRIVATE_TARGETS=127.0.0.0/8 npm start',
  );
}
