import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeEachDatabase } from '../support/databases.ts';
import { createWebhookChannel, messageWith, postEvent } from '../support/story.ts';
import { startTestApp, type TestApp, type TestClient } from '../support/test-app.ts';
import { startTestTarget, type TestTarget } from '../support/test-target.ts';

describeEachDatabase('tenants', (database) => {
  let app: TestApp;
  let stranger: TestClient;
  let target: TestTarget;
  /** An id of ours for every path parameter of the API. */
  const ids: Record<string, string> = {};

  beforeAll(async () => {
    app = await startTestApp(database());
    target = await startTestTarget();
    stranger = await app.clientFor('admin', await app.newTenant('stranger'));
    const { client } = app;
    const made = await client.post('/api/v1/targets', { kind: 'http', name: 'ours', url: target.url });
    const channel = await createWebhookChannel(client);
    const endpoint = await client.post(`/api/v1/channels/${channel.id}/endpoints`, { address: 'desk' });
    const route = await client.post('/api/v1/communications/routes', { channelId: channel.id, targetId: made.id });
    const link = await client.post('/api/v1/inbound/identity-links', {
      channel: 'webhook',
      externalIdentity: 'ada',
      userId: 'user-ada',
      verified: true,
    });
    await postEvent(channel, { sender: 'ada', text: 'ours alone' }, 'msg_ours');
    const message = await messageWith(app, 'msg_ours', 'processed');
    const { items: deliveries } = await client.get('/api/v1/deliveries');
    const job = await client.post('/api/v1/deliveries/purge', {});
    const token = await client.post('/api/v1/tokens', { name: 'ours', scope: 'read' });
    Object.assign(ids, {
      targetId: made.id,
      channelId: channel.id,
      endpointId: endpoint.id,
      routeId: route.id,
      link_id: link.id,
      message_id: message.id,
      eventId: message.eventId,
      deliveryId: deliveries[0].id,
      jobId: job.id,
      index: '0',
      tokenId: token.id,
    });
  });
  afterAll(async () => {
    await app.stop();
    await target.stop();
  });

  /** Bodies that pass validation, so that only the tenant can be what refuses. */
  const bodies: Record<string, object> = {
    'patch /api/v1/channels/{channelId}': { name: 'stolen' },
    'post /api/v1/channels/{channelId}/rotate-secret': { value: `whsec_${Buffer.alloc(32).toString('base64')}` },
    'post /api/v1/channels/{channelId}/endpoints': { address: 'stolen' },
    'patch /api/v1/targets/{targetId}': { name: 'stolen' },
    'post /api/v1/targets/{targetId}/rotate-secret': {},
    'patch /api/v1/communications/routes/{routeId}': { priority: 9 },
  };

  async function operations(): Promise<[method: string, path: string][]> {
    const document = await app.client.get('/openapi.json');
    return Object.entries(document.paths).flatMap(([path, item]) =>
      Object.keys(item as object).map((method): [string, string] => [method, path]),
    );
  }

  it('every operation on a thing answers another tenant 404, and leaves the thing as it is', async () => {
    const withId = (await operations()).filter(([, path]) => path.includes('{'));
    expect(withId.length).toBeGreaterThan(20);
    const before = await snapshot();
    for (const [method, path] of withId) {
      const filled = path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => {
        const id = ids[name];
        if (id === undefined) throw new Error(`this test knows no id for {${name}}: give it one`);
        return id;
      });
      const body = bodies[`${method} ${path}`] ?? (method === 'patch' ? {} : undefined);
      const answer = await stranger.request(method.toUpperCase(), filled, body);
      expect([method, path, answer.status]).toEqual([method, path, 404]);
      expect(JSON.stringify(answer.body)).not.toContain('ours');
    }
    expect(await snapshot()).toEqual(before);
  });

  it('every list is empty for another tenant', async () => {
    const lists = (await operations()).filter(([method, path]) => method === 'get' && !path.includes('{'));
    expect(lists.length).toBeGreaterThan(7);
    for (const [, path] of lists) {
      const mine = await app.client.get(path);
      const theirs = await stranger.get(path);
      expect(Array.isArray(mine.items) && mine.items.length > 0).toBe(true);
      if (path === '/api/v1/providers') continue;
      // Its own token is all a tenant has before it makes something.
      const own = path === '/api/v1/tokens' ? 1 : 0;
      expect([path, theirs.items.length]).toEqual([path, own]);
    }
  });

  it('a route cannot name another tenant’s target, channel or endpoint', async () => {
    for (const given of [
      { targetId: ids['targetId'] },
      { channelId: ids['channelId'] },
      { endpointId: ids['endpointId'] },
    ]) {
      const answer = await stranger.request('POST', '/api/v1/communications/routes', given);
      expect(answer.status).toBe(422);
      expect(answer.body.detail[0]).toMatchObject({ loc: ['body', Object.keys(given)[0]], type: 'not_found' });
    }
  });

  it('the same identity, address and message id are different things for each tenant', async () => {
    const link = await stranger.post('/api/v1/inbound/identity-links', {
      channel: 'webhook',
      externalIdentity: 'ada',
      userId: 'another-ada',
    });
    const channel = await createWebhookChannel(stranger);
    await postEvent(channel, { sender: 'ada', text: 'theirs' }, 'msg_ours');
    const message = await messageWith({ client: stranger }, 'msg_ours', 'unrouted');
    expect(message).toMatchObject({ userId: 'another-ada', trustLevel: 'unverified', text: 'theirs' });
    expect((await messageWith(app, 'msg_ours')).text).toBe('ours alone');
    await stranger.request('DELETE', `/api/v1/inbound/identity-links/${link.id}`);
  });

  async function snapshot(): Promise<unknown> {
    const paths = [
      'channels',
      'targets',
      'communications/routes',
      'inbound/identity-links',
      'inbound/messages',
      'deliveries',
    ];
    return await Promise.all(paths.map((path) => app.client.get(`/api/v1/${path}`)));
  }

  it('finds nothing under ids that nobody has', async () => {
    for (const path of ['channels', 'targets', 'events', 'deliveries', 'inbound/messages', 'communications/routes']) {
      expect((await app.client.request('GET', `/api/v1/${path}/${randomUUID()}`)).status).toBe(404);
    }
  });
});
