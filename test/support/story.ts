import { randomUUID } from 'node:crypto';
import type { SignedRequest } from '../../demo/sign.ts';
import { signStandardWebhook } from '../../demo/sign.ts';
import { newWebhookSecret } from '../../src/lib/standard-webhooks.ts';
import { eventually, type TestApp, type TestClient } from './test-app.ts';

/** A channel with the secret that its provider signs with. */
export interface TestChannel {
  readonly id: string;
  readonly ingestUrl: string;
  readonly secret: string;
}

/** A channel of the provider `standard-webhooks`: the plainest there is. */
export async function createWebhookChannel(client: TestClient, settings: object = {}): Promise<TestChannel> {
  const secret = newWebhookSecret();
  const channel = await client.post('/api/v1/channels', {
    provider: 'standard-webhooks',
    name: `webhooks ${randomUUID()}`,
    secrets: { secret },
    settings,
  });
  return { ...channel, secret };
}

/** Sends a signed request as its provider would. */
export async function send(
  url: string,
  signed: SignedRequest,
): Promise<{ status: number; text: string; headers: Headers }> {
  const { body } = signed;
  const response = await fetch(url, {
    method: signed.method,
    headers: signed.headers,
    body: typeof body === 'string' ? body : new Uint8Array(body),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** Posts one JSON event to a webhook channel, signed. */
export async function postEvent(
  channel: TestChannel,
  event: unknown,
  id = `msg_${randomUUID()}`,
): Promise<{ status: number; text: string; headers: Headers }> {
  const body = typeof event === 'string' ? event : JSON.stringify(event);
  return await send(channel.ingestUrl, signStandardWebhook({ secret: channel.secret, id, body }));
}

/** The message with this provider id, once it has one of these statuses. */
export async function messageWith(
  app: Pick<TestApp, 'client'>,
  channelMessageId: string,
  ...statuses: readonly string[]
): Promise<any> {
  return await eventually(`message ${channelMessageId} to be ${statuses.join(' or ')}`, async () => {
    const { items } = await app.client.get('/api/v1/inbound/messages?limit=200');
    return items.find(
      (item: any) =>
        item.channelMessageId === channelMessageId && (statuses.length === 0 || statuses.includes(item.status)),
    );
  });
}
