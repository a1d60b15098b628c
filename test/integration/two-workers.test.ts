import { Buffer } from 'node:buffer';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ParsedMessage } from '../../src/provider.ts';
import { describeEachDatabase } from '../support/databases.ts';
import { createWebhookChannel } from '../support/story.ts';
import { eventually, startTestApp, type TestApp } from '../support/test-app.ts';
import { startTestTarget, type TestTarget } from '../support/test-target.ts';

const targetCount = 20;
const keyCount = 50;
const perKey = 40;

/** Two workers, each as one of two processes has it: on PostgreSQL each with a pool of its own. */
describeEachDatabase('two workers that claim everything at once', (database) => {
  const secretKey = Buffer.alloc(32, 5).toString('base64');
  let ingest: TestApp;
  let workers: TestApp[] = [];
  let target: TestTarget;

  beforeAll(async () => {
    ingest = await startTestApp(database(), { env: { ROLE: 'ingest' }, secretKey });
    target = await startTestTarget();
  });
  afterAll(async () => {
    for (const worker of workers) await worker.stop();
    await ingest.stop();
    await target.stop();
  });

  async function connect(name: string): Promise<string> {
    const policy = { concurrency: 100, timeoutMs: 30_000 };
    const made = await ingest.client.post('/api/v1/targets', { kind: 'http', name, url: target.url, policy });
    const channel = await createWebhookChannel(ingest.client);
    const config = { order: 'conversation' };
    await ingest.client.post('/api/v1/communications/routes', { channelId: channel.id, targetId: made.id, config });
    return channel.id;
  }

  it(
    'bring 2,000 deliveries of 50 keys to 20 targets, each once, each key in its order',
    { timeout: 90_000 },
    async () => {
      const channelIds: string[] = [];
      for (let index = 0; index < targetCount; index += 1) channelIds.push(await connect(`target ${index}`));
      // Fewer places than keys, so that neither can take all that is due. Both are there before there is work. On the embedded
      // database there are no notices, so they poll for it.
      const overrides = { pollMs: 2 };
      const env = { ROLE: 'worker', WORKER_CONCURRENCY: '20', LEASE_SECONDS: '60' };
      workers = [
        await startTestApp(database(), { env, secretKey, overrides }),
        await startTestApp(database().another(), { env, secretKey, overrides }),
      ];
      const running = new Map<string, string>();
      const overlaps: string[] = [];
      target.answer = ({ body }, response) => {
        const { channelThreadId: thread, text } = body.data.message;
        if (running.has(thread)) overlaps.push(`${thread}: ${running.get(thread)} and ${text}`);
        running.set(thread, text);
        setTimeout(
          () => {
            running.delete(thread);
            response.end('ok');
          },
          Number(text) % 3,
        );
      };

      for (let text = 0; text < perKey; text += 1) {
        await Promise.all(
          channelIds.map((channelId, index) => {
            const threads = Array.from({ length: keyCount }, (_unused, key) => key).filter(
              (key) => key % targetCount === index,
            );
            return ingest.app.services.inbox.accept(arrival(ingest, channelId, threads, text));
          }),
        );
      }
      const total = keyCount * perKey;
      await eventually('all of them', () => target.received.length >= total || undefined, 80_000);
      await eventually('the last to be completed', async () => {
        const { items } = await ingest.client.get('/api/v1/deliveries?state=running&limit=1');
        return items.length === 0 || undefined;
      });

      const ids = target.received.map(({ headers }) => headers['webhook-id']);
      expect(ids.length - new Set(ids).size, 'duplicates').toBe(0);
      expect(ids).toHaveLength(total);
      expect(overlaps).toEqual([]);
      const byThread = Map.groupBy(target.received, ({ body }) => body.data.message.channelThreadId as string);
      expect(byThread.size).toBe(keyCount);
      const inOrder = Array.from({ length: perKey }, (_unused, text) => String(text));
      for (const [thread, requests] of byThread) {
        expect(
          requests.map(({ body }) => body.data.message.text),
          thread,
        ).toEqual(inOrder);
      }
      const { db } = database();
      const states = await db.selectFrom('deliveries').select(['state', 'attempts', 'fence']).execute();
      expect(new Set(states.map((row) => `${row.state} ${row.attempts} ${row.fence}`))).toEqual(
        new Set(['succeeded 1 1']),
      );
      const attempts = await db.selectFrom('attempts').select(['worker', 'outcome']).execute();
      expect(attempts).toHaveLength(total);
      expect(new Set(attempts.map(({ outcome }) => outcome))).toEqual(new Set(['succeeded']));
      const shares = Map.groupBy(attempts, ({ worker }) => worker);
      expect(shares.size, 'workers that had a part in it').toBe(2);
    },
  );
});

function arrival(app: TestApp, channelId: string, threads: readonly number[], text: number) {
  return {
    channelId,
    tenantId: app.tenantId,
    provider: 'standard-webhooks',
    receivedAt: new Date(),
    method: 'POST',
    url: app.url,
    headers: [],
    body: new Uint8Array(),
    deliveryId: null,
    ignored: [],
    unparsedReason: null,
    messages: threads.map((thread): ParsedMessage => {
      const id = `${thread} ${text}`;
      return {
        channel: 'webhook',
        externalIdentity: 'ada',
        displayName: null,
        recipient: null,
        text: String(text),
        channelMessageId: id,
        channelThreadId: `thread ${thread}`,
        attachments: [],
        channelMetadata: {},
        sentAt: null,
        vouched: true,
        dedupeKey: id,
      };
    }),
  };
}
