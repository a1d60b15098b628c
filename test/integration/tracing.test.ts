import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pino } from 'pino';
import { signStandardWebhook } from '../../demo/sign.ts';
import { parseConfig } from '../../src/config.ts';
import { startTracing } from '../../src/entry/tracing.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { killServers, startServer } from '../crash/server.ts';
import { describeEachDatabase, openTestDatabase } from '../support/databases.ts';
import { startOtlpReceiver, type OtlpReceiver, type ReceivedSpan } from '../support/otlp-receiver.ts';
import { createWebhookChannel, messageWith, postEvent, send, type TestChannel } from '../support/story.ts';
import { createClient, startTestApp, type TestClient } from '../support/test-app.ts';
import { startTestTarget, type TestTarget } from '../support/test-target.ts';

let receiver: OtlpReceiver;
let target: TestTarget;

beforeEach(async () => {
  receiver = await startOtlpReceiver();
  target = await startTestTarget();
  // The exporter reads the standard variable by itself.
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = receiver.url;
});

afterEach(async () => {
  delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  await Promise.all([receiver.stop(), target.stop()]);
});

async function connect(client: TestClient): Promise<TestChannel> {
  const policy = { maxAttempts: 3, backoffBaseMs: 1 };
  const made = await client.post('/api/v1/targets', { kind: 'http', name: randomUUID(), url: target.url, policy });
  const channel = await createWebhookChannel(client);
  await client.post('/api/v1/communications/routes', { channelId: channel.id, targetId: made.id });
  return channel;
}

/** A span's own name in a `traceparent`. */
const sampled = ({ traceId, spanId }: ReceivedSpan): string => `00-${traceId}-${spanId}-01`;

describeEachDatabase('tracing', (database) => {
  it('makes one trace from the provider’s request to the target’s answer, in whichever process', async () => {
    const lines: Record<string, unknown>[] = [];
    const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
    const config = parseConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
    const [first, second] = [startTracing(config, logger), startTracing(config, logger)];
    const secretKey = Buffer.alloc(32, 5).toString('base64');
    const isShared = database().kind === 'postgres';
    const ingest = await startTestApp(database(), {
      env: { ROLE: isShared ? 'ingest' : 'all' },
      secretKey,
      logger,
      tracing: first.tracing,
    });
    const worker = isShared
      ? await startTestApp(database().another(), {
          env: { ROLE: 'worker' },
          secretKey,
          logger,
          tracing: second.tracing,
        })
      : undefined;
    const channel = await connect(ingest.client);
    let answers = 0;
    target.answer = (_one, response) => response.writeHead((answers += 1) === 1 ? 503 : 200).end('{}');
    const text = `private words ${randomUUID()}`;
    const signed = signStandardWebhook({
      secret: channel.secret,
      id: 'msg_traced',
      body: JSON.stringify({ sender: 'ada', text }),
    });
    const strangers = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) };
    const headers = { ...signed.headers, traceparent: `00-${strangers.traceId}-${strangers.spanId}-01` };
    expect((await send(channel.ingestUrl, { ...signed, headers })).status).toBe(200);
    const message = await messageWith(ingest, 'msg_traced', 'processed');
    await ingest.stop();
    await worker?.stop();
    await Promise.all([first.stop(), second.stop()]);

    const { spans } = receiver;
    const [root] = spans.filter(({ name }) => name === 'ingest');
    expect(root).toMatchObject({ parentSpanId: '', kind: 2, service: 'postroom' });
    if (!root) throw new Error('there is no ingest span');
    expect(root.traceId).not.toBe(strangers.traceId);
    expect(root.links).toMatchObject([strangers]);
    expect(root.attributes).toMatchObject({
      'postroom.provider': 'standard-webhooks',
      'postroom.channel.id': channel.id,
      'postroom.event.id': message.eventId,
      'postroom.outcome': 'accepted',
    });

    const rest = spans.filter((span) => span !== root);
    expect(rest.map(({ traceId, parentSpanId }) => ({ traceId, parentSpanId }))).toEqual(
      rest.map(() => ({ traceId: root.traceId, parentSpanId: root.spanId })),
    );
    const [route, failed, succeeded, ...others] = rest.toSorted((a, b) => a.startedAt - b.startedAt);
    expect(others).toEqual([]);
    expect(route).toMatchObject({
      name: 'route',
      attributes: {
        'postroom.message.id': message.id,
        'postroom.status': 'routed',
        'postroom.route.id': message.routeId,
      },
    });
    expect(failed).toMatchObject({
      name: 'deliver process',
      kind: 3,
      status: { code: 2, message: 'target_failed' },
      attributes: { 'error.type': 'target_failed', 'http.response.status_code': 503, 'postroom.attempt': 1 },
    });
    expect(succeeded).toMatchObject({
      name: 'deliver process',
      attributes: { 'http.response.status_code': 200, 'postroom.attempt': 2, 'postroom.message.id': message.id },
    });
    expect(succeeded?.status.code ?? 0).toBe(0);
    for (const span of spans) expect(span.endedAt).toBeGreaterThanOrEqual(span.startedAt);

    // Each try names its own span to the target.
    const named = target.received.map((one) => one.headers['traceparent']);
    expect(named).toEqual([failed, succeeded].map((span) => span && sampled(span)));

    const complaint = lines.find((line) => line['msg'] === 'a delivery failed');
    expect(complaint).toMatchObject({ messageId: message.id, channelId: channel.id, traceId: root.traceId });
    expect(complaint?.['deliveryId']).toBe(failed?.attributes['postroom.delivery.id']);
    for (const secret of [text, channel.secret, 'ada', target.url])
      expect(receiver.texts.join('')).not.toContain(secret);
  });

  it('makes no span of what is refused', async () => {
    const config = parseConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
    const { tracing, stop } = startTracing(config, silentLogger);
    const app = await startTestApp(database(), { env: { ROLE: 'ingest' }, tracing });
    const channel = await createWebhookChannel(app.client);
    const body = '{"sender":"eve"}';
    await send(channel.ingestUrl, signStandardWebhook({ secret: `whsec_${btoa('wrong')}`, id: 'msg_forged', body }));
    await postEvent(channel, 'not json', 'msg_unparsed');
    await app.stop();
    await stop();
    expect(receiver.spans.map(({ name, attributes }) => [name, attributes['postroom.outcome']])).toEqual([
      ['ingest', 'unparsed'],
    ]);
  });

  it('marks what is not sampled, and says nothing where nothing is traced', async () => {
    const config = parseConfig({
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_TRACES_SAMPLER: 'parentbased_always_off',
    });
    const { tracing, stop } = startTracing(config, silentLogger);
    const app = await startTestApp(database(), { tracing });
    const channel = await connect(app.client);
    await postEvent(channel, { sender: 'ada' }, 'msg_unsampled');
    await messageWith(app, 'msg_unsampled', 'processed');
    await app.stop();
    await stop();
    expect(receiver.spans).toEqual([]);
    expect(target.received[0]?.headers['traceparent']).toMatch(/^00-[\da-f]{32}-[\da-f]{16}-00$/);

    const plain = await startTestApp(database());
    const other = await connect(plain.client);
    await postEvent(other, { sender: 'ada' }, 'msg_untraced');
    await messageWith(plain, 'msg_untraced', 'processed');
    await plain.stop();
    expect(target.received.at(-1)?.headers).not.toHaveProperty('traceparent');
  });

  it('hands a trace on through a process that does not trace', async () => {
    const { tracing, stop } = startTracing(parseConfig({}), silentLogger);
    const secretKey = Buffer.alloc(32, 5).toString('base64');
    const ingest = await startTestApp(database(), { env: { ROLE: 'ingest' }, tracing, secretKey });
    const channel = await connect(ingest.client);
    await postEvent(channel, { sender: 'ada' }, 'msg_passed_on');
    await ingest.stop();
    await stop();
    const worker = await startTestApp(database(), { secretKey });
    await messageWith(worker, 'msg_passed_on', 'processed');
    await worker.stop();
    expect(receiver.spans.map(({ name }) => name)).toEqual(['ingest']);
    expect(target.received[0]?.headers['traceparent']).toBe(receiver.spans.map(sampled)[0]);
  });
});

describe('without its database', () => {
  it('a span says that a webhook could not be booked in', async () => {
    const { tracing, stop } = startTracing(parseConfig({}), silentLogger);
    const database = await openTestDatabase('embedded');
    const app = await startTestApp(database, { env: { ROLE: 'ingest' }, tracing });
    const channel = await createWebhookChannel(app.client);
    expect((await postEvent(channel, { sender: 'ada' })).status).toBe(200);
    await database.close();
    expect((await postEvent(channel, { sender: 'ada' })).status).toBe(503);
    await app.stop();
    await stop();
    expect(receiver.spans.map(({ status }) => status.code ?? 0)).toEqual([0, 2]);
  });
});

describe('the server itself', () => {
  it('traces where an endpoint is configured, and sends what is left before it ends', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'postroom-tracing-'));
    const token = `token-${randomUUID()}`;
    try {
      const server = startServer({
        DATA_DIR: join(folder, 'data'),
        POSTROOM_ADMIN_TOKEN: token,
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
        OTEL_SERVICE_NAME: 'post-room-of-a-test',
      });
      const { url } = await server.listening;
      const client = createClient(url, token);
      const channel = await connect(client);
      await postEvent({ ...channel, ingestUrl: `${url}/in/${channel.id}` }, { sender: 'ada' }, 'msg_served');
      await messageWith({ client }, 'msg_served', 'processed');
      expect(await (await fetch(`${url}/metrics`)).text()).toContain(
        'postroom_end_to_end_seconds_count{handler="process"} 1',
      );
      expect((await server.terminate()).fault).toBeUndefined();
    } finally {
      await killServers();
      rmSync(folder, { recursive: true, force: true });
    }
    expect(receiver.spans.map(({ name }) => name).toSorted()).toEqual(['deliver process', 'ingest', 'route']);
    expect(new Set(receiver.spans.map(({ traceId }) => traceId)).size).toBe(1);
    expect(receiver.spans[0]?.service).toBe('post-room-of-a-test');
  }, 60_000);
});
