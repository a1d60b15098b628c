import { newWebhookSecret } from '../../src/lib/standard-webhooks.ts';
import { createClient } from '../support/test-app.ts';
import type { CrashTarget } from './target.ts';

/** A channel that the load posts to, and the target that its messages belong to. */
export interface Desk {
  readonly channelId: string;
  readonly secret: string;
  readonly target: CrashTarget;
}

/**
 * Sets up a desk for each target through the API: a channel, the target, and a route between them.
 * The targets' policy retries fast and often: each kill costs a delivery one of its tries.
 */
export async function setUpDesks(url: string, token: string, targets: readonly CrashTarget[]): Promise<Desk[]> {
  const client = createClient(url, token);
  const desks: Desk[] = [];
  for (const target of targets) {
    const secret = newWebhookSecret();
    const number = desks.length + 1;
    const channel = await client.post('/api/v1/channels', {
      provider: 'standard-webhooks',
      name: `channel ${number}`,
      secrets: { secret },
    });
    const made = await client.post('/api/v1/targets', {
      kind: 'http',
      name: `target ${number}`,
      url: target.url,
      policy: { maxAttempts: 100, backoffBaseMs: 20, backoffCapMs: 200 },
    });
    target.secret = made.secret;
    await client.post('/api/v1/communications/routes', { targetId: made.id, channelId: channel.id });
    desks.push({ channelId: channel.id, secret, target });
  }
  return desks;
}
