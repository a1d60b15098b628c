import { readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { signStandardWebhook } from '../../demo/sign.ts';
import { providers } from '../../src/providers/index.ts';
import { describeEachDatabase } from '../support/databases.ts';
import { createWebhookChannel, messageWith, postEvent, send } from '../support/story.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

/** The API contract, as it was agreed; what of it is built is checked against it to the letter. */
const contract = JSON.parse(readFileSync('test/fixtures/api-contract/v1.openapi.json', 'utf8'));
const ajv = new Ajv2020({ strict: false });
(addFormats as unknown as (ajv: Ajv2020) => void)(ajv);
ajv.addSchema(contract, 'contract');

function expectContract(schema: string, value: unknown): void {
  const validate = ajv.getSchema(`contract#/components/schemas/${schema}`);
  if (!validate) throw new Error(`the contract has no ${schema}`);
  if (!validate(value))
    throw new Error(`not a ${schema}: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(value)}`);
}

describeEachDatabase('the API', (database) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp(database());
  });
  afterAll(async () => {
    await app.stop();
  });

  const call = (method: string, path: string, body?: unknown) => app.client.request(method, `/api/v1${path}`, body);

  it('answers identity links as the contract says', async () => {
    const made = await call('POST', '/inbound/identity-links', {
      channel: 'email',
      externalIdentity: 'Ada@Example.com',
      userId: 'user-1',
    });
    expect(made.status).toBe(201);
    expectContract('IdentityLink', made.body);
    expect(made.body).toMatchObject({
      externalIdentity: 'ada@example.com',
      verified: false,
      agentSpecId: null,
      metadata: {},
    });
    const again = await call('POST', '/inbound/identity-links', {
      channel: 'email',
      externalIdentity: 'ADA@example.com',
      userId: 'user-2',
    });
    expect(again.status).toBe(409);
    const verified = await call('POST', `/inbound/identity-links/${made.body.id}/verify`);
    expect([verified.status, verified.body.verified]).toEqual([200, true]);
    expectContract('IdentityLink', verified.body);
    const list = await call('GET', '/inbound/identity-links?limit=200&offset=0');
    for (const item of list.body.items) expectContract('IdentityLink', item);
    expect((await call('DELETE', `/inbound/identity-links/${made.body.id}`)).status).toBe(204);
    expect((await call('DELETE', `/inbound/identity-links/${made.body.id}`)).status).toBe(404);
  });

  it('answers messages as the contract says, with its paging and filter', async () => {
    const channel = await createWebhookChannel(app.client);
    for (const id of ['msg_1', 'msg_2', 'msg_3']) {
      await postEvent(channel, { sender: 'ada', text: id }, id);
      await messageWith(app, id, 'unrouted');
    }
    const all = await call('GET', '/inbound/messages');
    expect(all.body.items).toHaveLength(3);
    for (const item of all.body.items) expectContract('InboundMessage', item);
    expect(all.body.items.map((item: any) => item.text)).toEqual(['msg_3', 'msg_2', 'msg_1']);
    const page = await call('GET', '/inbound/messages?limit=1&offset=1');
    expect(page.body.items.map((item: any) => item.text)).toEqual(['msg_2']);
    expect((await call('GET', '/inbound/messages?status=unrouted')).body.items).toHaveLength(3);
    expect((await call('GET', '/inbound/messages?status=processed')).body.items).toEqual([]);
    const one = await call('GET', `/inbound/messages/${all.body.items[0].id}`);
    expectContract('InboundMessage', one.body);
  });

  it('answers routes as the contract says, whatever they are bound to', async () => {
    const bare = await call('POST', '/communications/routes', {});
    expect(bare.status).toBe(201);
    expectContract('Route', bare.body);
    expect(bare.body).toMatchObject({
      handlerKind: 'process',
      scope: 'endpoint',
      targetId: null,
      config: {},
      status: 'active',
    });
    expect(bare.body.address).toMatch(/@inbound\.localhost$/);
    const other = await call('POST', '/communications/routes', {});
    expect(other.body.channelId).toBe(bare.body.channelId);
    expect(other.body.address).not.toBe(bare.body.address);

    const channel = await createWebhookChannel(app.client);
    const wide = await call('POST', '/communications/routes', { channelId: channel.id });
    expectContract('Route', wide.body);
    expect(wide.body).toMatchObject({ scope: 'channel', address: '*' });
    const endpoint = await call('POST', `/channels/${channel.id}/endpoints`, {
      address: ' desk ',
      displayName: 'Desk',
    });
    expect(endpoint.body).toMatchObject({ address: 'desk', displayName: 'Desk', channelId: channel.id });
    expect((await call('POST', `/channels/${channel.id}/endpoints`, { address: 'desk' })).status).toBe(409);
    const narrow = await call('POST', '/communications/routes', { endpointId: endpoint.body.id, priority: 3 });
    expectContract('Route', narrow.body);
    expect(narrow.body).toMatchObject({ scope: 'endpoint', address: 'desk', priority: 3, channelId: channel.id });
    const tenant = await call('POST', '/communications/routes', { scope: 'tenant' });
    expect(tenant.body).toMatchObject({ scope: 'tenant', address: '*', channelId: null, endpointId: null });
    const list = await call('GET', '/communications/routes?limit=100');
    expect(list.body.items).toHaveLength(5);

    const changed = await call('PATCH', `/communications/routes/${narrow.body.id}`, { priority: 5, status: 'paused' });
    expect(changed.body).toMatchObject({ priority: 5, status: 'paused' });
    expect((await call('DELETE', `/communications/routes/${narrow.body.id}`)).status).toBe(204);
    expect((await call('GET', `/communications/routes/${narrow.body.id}`)).status).toBe(404);
  });

  it('says why a route cannot be, and where', async () => {
    const refused: [body: object, loc: (string | number)[], type: string][] = [
      [{ handlerKind: 'chat_reply' }, ['body', 'handlerKind'], 'handler_not_installed'],
      [{ handlerKind: 'telepathy' }, ['body', 'handlerKind'], 'invalid_value'],
      [{ config: { match: 'text.contains(' } }, ['body', 'config', 'match'], 'match_invalid'],
      [{ config: { match: 'text' } }, ['body', 'config', 'match'], 'match_invalid'],
      [{ config: { match: 7 } }, ['body', 'config', 'match'], 'invalid'],
      [
        { allowedSenderPolicy: { minimumTrust: 'high' } },
        ['body', 'allowedSenderPolicy', 'minimumTrust'],
        'policy_invalid',
      ],
      [{ allowedSenderPolicy: { alow: [] } }, ['body', 'allowedSenderPolicy'], 'policy_invalid'],
      [{ allowedSenderPolicy: { allow: ['*a*'] } }, ['body', 'allowedSenderPolicy', 'allow', 0], 'policy_invalid'],
      [{ targetId: randomUUID() }, ['body', 'targetId'], 'not_found'],
      [{ scope: 'channel' }, ['body', 'channelId'], 'invalid'],
    ];
    for (const [body, loc, type] of refused) {
      const answer = await call('POST', '/communications/routes', body);
      expect([body, answer.status]).toEqual([body, 422]);
      expectContract('ValidationError', answer.body);
      expect(answer.body.detail[0]).toMatchObject({ loc, type });
    }
    expect((await call('POST', '/communications/routes', { handlerKind: 'chat_reply' })).body.detail[0].msg).toContain(
      'handlers/chat_reply.ts is missing',
    );
  });

  it('makes channels, and never gives their secrets back', async () => {
    const secrets = { signingSecret: 'the-slack-secret-itself' };
    const made = await call('POST', '/channels', { provider: 'slack', name: 'Slack', secrets, settings: {} });
    expect(made.status).toBe(201);
    expect(Object.keys(made.body).toSorted()).toEqual([
      'createdAt',
      'id',
      'ingestUrl',
      'kind',
      'missingSecrets',
      'name',
      'provider',
      'settings',
      'status',
      'updatedAt',
    ]);
    expect(made.body.ingestUrl).toBe(`${app.url}/in/${made.body.id}`);
    const all = [made, await call('GET', '/channels'), await call('GET', `/channels/${made.body.id}`)];
    expect(JSON.stringify(all.map((answer) => answer.body))).not.toContain('the-slack-secret-itself');
    const rows = await database().db.selectFrom('channels').selectAll().execute();
    expect(JSON.stringify(rows)).not.toContain('the-slack-secret-itself');

    const refused: [body: object, loc: string[]][] = [
      [{ provider: 'pigeon', name: 'x' }, ['body', 'provider']],
      [{ provider: 'slack', name: 'x', secrets: { botToken: 'xoxb' } }, ['body', 'secrets', 'signingSecret']],
      [{ provider: 'slack', name: 'x', secrets: { ...secrets, more: 'x' } }, ['body', 'secrets']],
      [{ provider: 'slack', name: 'x', secrets, settings: { typo: 1 } }, ['body', 'settings']],
      [{ provider: 'slack', secrets }, ['body', 'name']],
    ];
    for (const [body, loc] of refused) {
      const answer = await call('POST', '/channels', body);
      expect([body, answer.status, answer.body.detail[0].loc]).toEqual([body, 422, loc]);
    }
  });

  it('shows a channel’s secret once where Postroom made it', async () => {
    const made = await call('POST', '/channels', { provider: 'mime', name: 'Mail' });
    expect(made.body.secret).toMatchObject({ name: 'secret', value: expect.stringMatching(/^whsec_/) });
    const signed = signStandardWebhook({ secret: made.body.secret.value, body: 'From: a@example.com\r\n\r\nhello' });
    expect((await send(made.body.ingestUrl, signed)).status).toBe(200);
    expect((await call('GET', `/channels/${made.body.id}`)).body).not.toHaveProperty('secret');
  });

  it('pages by cursor, each thing once, newest first', async () => {
    const names = Array.from({ length: 7 }, (_unused, index) => `target ${index}`);
    for (const name of names) await call('POST', '/targets', { kind: 'http', name, url: 'http://127.0.0.1:9/' });
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: any = (await call('GET', `/targets?limit=3${cursor ? `&cursor=${cursor}` : ''}`)).body;
      seen.push(...page.items.map((item: any) => item.name));
      cursor = page.nextCursor;
    } while (cursor);
    expect(seen).toEqual(names.toReversed());
    expect((await call('GET', '/targets?limit=0')).status).toBe(422);
    expect((await call('GET', '/targets?cursor=nonsense')).status).toBe(422);
  });

  it('shows a target’s secret once, and stores it sealed', async () => {
    const made = await call('POST', '/targets', { kind: 'agent', name: 'a', url: 'http://127.0.0.1:9/' });
    expect(made.status).toBe(201);
    expect(made.body.secret).toMatch(/^whsec_[A-Za-z0-9+/]+=*$/);
    const rest = [await call('GET', '/targets'), await call('GET', `/targets/${made.body.id}`)];
    expect(JSON.stringify(rest.map((answer) => answer.body))).not.toContain(made.body.secret);
    const rows = await database().db.selectFrom('targets').selectAll().execute();
    expect(JSON.stringify(rows)).not.toContain(made.body.secret.slice(6));
    const own = await call('POST', '/targets', {
      kind: 'agent',
      name: 'a',
      url: 'http://127.0.0.1:9/',
      secret: made.body.secret,
    });
    expect(own.body.secret).toBe(made.body.secret);
    for (const secret of ['short', 'whsec_!!!', 'whsec_AAAA']) {
      expect(
        (await call('POST', '/targets', { kind: 'agent', name: 'a', url: 'http://127.0.0.1:9/', secret })).status,
      ).toBe(422);
    }
    for (const url of ['ftp://example.com/', 'nonsense', 'file:///etc/passwd', 'http://user:pass@example.com/']) {
      expect([url, (await call('POST', '/targets', { kind: 'agent', name: 'a', url })).status]).toEqual([url, 422]);
    }
  });

  it('lets in by bearer, key and cookie, and by nothing else', async () => {
    const get = async (headers: Record<string, string>, query = '') =>
      (await fetch(`${app.url}/api/v1/channels${query}`, { headers })).status;
    expect(await get({ authorization: `Bearer ${app.token}` })).toBe(200);
    expect(await get({ authorization: `bearer  ${app.token}` })).toBe(200);
    expect(await get({ 'x-api-key': app.token })).toBe(200);
    expect(await get({ cookie: `a=b; vai_token=${app.token}` })).toBe(200);
    expect(await get({})).toBe(401);
    expect(await get({ authorization: `Bearer ${app.token}x` })).toBe(401);
    expect(await get({ authorization: `Basic ${app.token}` })).toBe(401);
    expect(await get({}, `?token=${app.token}`)).toBe(401);
    const answer = await fetch(`${app.url}/api/v1/channels`);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    expectContract('ValidationError', await answer.json());
  });

  it('a cookie that comes from another site may read, not change', async () => {
    const post = async (headers: Record<string, string>) =>
      (
        await fetch(`${app.url}/api/v1/communications/routes`, {
          method: 'POST',
          headers: { cookie: `vai_token=${app.token}`, 'content-type': 'application/json', ...headers },
          body: '{"scope":"tenant"}',
        })
      ).status;
    expect(await post({ 'sec-fetch-site': 'cross-site' })).toBe(403);
    expect(await post({ origin: 'https://evil.example' })).toBe(403);
    expect(await post({ origin: app.url })).toBe(201);
    expect(await post({ 'sec-fetch-site': 'same-origin' })).toBe(201);
  });

  it('a token reaches as far as its scope', async () => {
    const reader = await app.clientFor('read');
    const writer = await app.clientFor('write');
    const status = async (client: typeof reader, method: string, path: string, body?: object) =>
      (await client.request(method, `/api/v1${path}`, body)).status;
    expect(await status(reader, 'GET', '/channels')).toBe(200);
    expect(await status(reader, 'POST', '/communications/routes', {})).toBe(403);
    expect(await status(reader, 'GET', '/tokens')).toBe(403);
    expect(await status(writer, 'POST', '/communications/routes', { scope: 'tenant' })).toBe(201);
    expect(await status(writer, 'GET', '/tokens')).toBe(403);
    expect(await status(writer, 'POST', '/tokens', { name: 'x', scope: 'admin' })).toBe(403);
  });

  it('shows a token once, stores it hashed, and ends it at once', async () => {
    const made = await call('POST', '/tokens', { name: 'ci', scope: 'read' });
    expect(made.status).toBe(201);
    expect(made.body.token).toMatch(/^prt_[\w-]{43}$/);
    const use = async () =>
      (await fetch(`${app.url}/api/v1/channels`, { headers: { 'x-api-key': made.body.token } })).status;
    expect(await use()).toBe(200);
    const list = await call('GET', '/tokens');
    expect(JSON.stringify(list.body)).not.toContain(made.body.token);
    expect(list.body.items.find((item: any) => item.id === made.body.id).lastUsedAt).toBeTruthy();
    const rows = await database().db.selectFrom('tokens').selectAll().execute();
    for (const row of rows) expect(Buffer.from(row.hash).toString()).not.toContain(made.body.token);
    expect((await call('DELETE', `/tokens/${made.body.id}`)).status).toBe(204);
    expect(await use()).toBe(401);
  });

  it('lists providers with all that is needed to connect them', async () => {
    const { items } = (await call('GET', '/providers')).body;
    expect(items.map((item: any) => item.name)).toEqual([...providers.keys()]);
    for (const item of items) {
      expect(item.secrets).toMatchObject({ type: 'object', properties: expect.any(Object) });
      expect(item.settings).toMatchObject({ type: 'object' });
      expect(item.setup.steps.join(' ')).toContain('{ingestUrl}');
      for (const property of Object.values(item.secrets.properties)) expect(property).toHaveProperty('description');
    }
  });

  it('describes itself: every contract operation that is built is in /openapi.json, with its parameters', async () => {
    const document = await app.client.get('/openapi.json');
    expect(document.openapi).toBe('3.1.0');
    for (const [path, item] of Object.entries<any>(contract.paths)) {
      if (!path.startsWith('/api/v1/inbound') && path !== '/api/v1/communications/routes') continue;
      for (const [method, operation] of Object.entries<any>(item)) {
        const ours = document.paths[path]?.[method];
        expect([path, method, ours !== undefined]).toEqual([path, method, true]);
        for (const parameter of operation.parameters) {
          const own = ours.parameters.find((one: any) => one.name === parameter.name);
          expect([path, parameter.name, own?.in]).toEqual([path, parameter.name, parameter.in]);
          for (const key of ['minimum', 'maximum', 'default']) {
            if (parameter.schema[key] !== undefined && !(key === 'maximum' && parameter.name === 'offset')) {
              expect([path, parameter.name, key, own.schema[key]]).toEqual([
                path,
                parameter.name,
                key,
                parameter.schema[key],
              ]);
            }
          }
        }
      }
    }
  });

  it('serves its reference page from here alone', async () => {
    const page = await fetch(`${app.url}/docs/`);
    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    const html = await page.text();
    expect(html).not.toMatch(/https?:\/\//);
    for (const [, path] of html.matchAll(/(?:src|href)="([^"]+)"/g)) {
      expect([path, (await fetch(`${app.url}${path}`)).status]).toEqual([path, 200]);
    }
    for (const path of ['/docs/package.json', '/docs/..%2f..%2fpackage.json', '/docs/index.html']) {
      expect([path, (await fetch(`${app.url}${path}`)).status]).toEqual([path, 404]);
    }
    expect((await fetch(`${app.url}/docs`)).url).toBe(`${app.url}/docs/`);
  });

  it('answers what is not there, and what is malformed, in the one form of errors', async () => {
    const missing = await fetch(`${app.url}/nothing/here`);
    expect(missing.status).toBe(404);
    expectContract('ValidationError', await missing.json());
    for (const body of ['{', '', 'null', '[]', '"text"', '{"name":']) {
      const answer = await call('POST', '/channels', body);
      expect([body, answer.status]).toEqual([body, 422]);
      expectContract('ValidationError', answer.body);
    }
    const untyped = await fetch(`${app.url}/api/v1/targets`, {
      method: 'POST',
      headers: { 'x-api-key': app.token, 'content-type': 'text/plain' },
      body: '{"kind":"http","name":"x","url":"http://127.0.0.1:9/"}',
    });
    expect(untyped.status).toBe(422);
    expect((await call('GET', '/inbound/messages/no-uuid')).status).toBe(422);
    expect((await call('GET', '/inbound/messages?limit=201')).body.detail[0]).toMatchObject({
      loc: ['query', 'limit'],
    });
    expect((await call('POST', '/channels', `{"name":"${'x'.repeat(1_100_000)}"}`)).status).toBe(413);
  });
});
