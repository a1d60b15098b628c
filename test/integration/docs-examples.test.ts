import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { workflowTrigger } from '../../docs/examples/handlers/workflow_trigger.ts';
import { guestbook } from '../../docs/examples/providers/guestbook/index.ts';
import { handlers } from '../../handlers/index.ts';
import { parsedMessage } from '../../src/provider.ts';
import { providers } from '../../src/providers/index.ts';
import { describeEachDatabase } from '../support/databases.ts';
import { eventually, startTestApp, type TestApp } from '../support/test-app.ts';
import { startTestTarget, type TestTarget } from '../support/test-target.ts';
import { verifyContext } from '../support/provider-context.ts';

/** The worked examples of CONTRIBUTING.md: what the page shows runs here, with a real message. */

const fixture = JSON.parse(
  readFileSync(new URL('../../docs/examples/providers/guestbook/entry.json', import.meta.url), 'utf8'),
);
const body = JSON.stringify(fixture.body);
const key = 'the key of the guestbook';

function sign(text: string, by = key): Record<string, string> {
  return { 'x-guestbook-signature': `sha256=${createHmac('sha256', by).update(text).digest('hex')}` };
}

test('the example provider makes of its fixture what the fixture says', async () => {
  const request = {
    method: 'POST',
    url: 'https://post.example.com/in/1',
    headers: new Headers(sign(body)),
    body: new TextEncoder().encode(body),
  };
  const channel = { secrets: guestbook.secrets.parse({ key }), settings: {} };
  expect(await guestbook.verify(request, channel, verifyContext(new Date()))).toEqual({ ok: true });
  const parsed = await guestbook.parse(request, channel);
  expect(JSON.parse(JSON.stringify(parsed))).toEqual(fixture.expected);
  expect(() => parsed.messages.map((message) => parsedMessage.parse(message))).not.toThrow();
});

describeEachDatabase('the examples in a running Postroom', (database) => {
  let app: TestApp;
  let target: TestTarget;
  beforeAll(async () => {
    target = await startTestTarget();
    app = await startTestApp(database(), {
      overrides: {
        providers: new Map([...providers, [guestbook.name, guestbook]]),
        handlers: new Map([...handlers, [workflowTrigger.kind, workflowTrigger]]),
      },
    });
  });
  afterAll(async () => {
    await app.stop();
    await target.stop();
  });

  test('a message of the example provider goes through the example handler to its target', async () => {
    const channel = await app.client.post('/api/v1/channels', {
      provider: 'guestbook',
      name: 'guestbook',
      secrets: { key },
    });
    const { id: targetId, secret } = await app.client.post('/api/v1/targets', {
      kind: 'workflow',
      name: 'workflows',
      url: target.url,
    });
    await app.client.post('/api/v1/communications/routes', {
      channelId: channel.id,
      handlerKind: 'workflow_trigger',
      workflowKey: 'welcome',
      targetId,
      config: { input: { tone: 'friendly' } },
    });

    const post = (headers: Record<string, string>) => fetch(channel.ingestUrl, { method: 'POST', headers, body });
    expect((await post(sign(body, 'another key'))).status).toBe(401);
    expect((await post(sign(body))).status).toBe(200);
    expect((await post(sign(body))).status).toBe(200);

    const received = await eventually('the target to be called', () => target.received[0]);
    target.verify(received, secret);
    expect(received.body).toMatchObject({
      type: 'workflow.requested',
      data: { workflowKey: 'welcome', input: { tone: 'friendly', text: 'What a lovely page!', userId: null } },
    });
    const { items } = await app.client.get('/api/v1/inbound/messages');
    expect(items).toHaveLength(1);
    const delivery = await eventually('the delivery to end', async () => {
      const page = await app.client.get('/api/v1/deliveries?state=succeeded');
      return page.items[0];
    });
    expect(delivery.result).toEqual({ workflowKey: 'welcome', status: 200 });
  });
});
