import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { signSlack, signStandardWebhook, signTwilioForm } from '../../demo/sign.ts';
import { newWebhookSecret } from '../../src/lib/standard-webhooks.ts';
import { describeEachDatabase } from '../support/databases.ts';
import { createWebhookChannel, messageWith, postEvent, send, type TestChannel } from '../support/story.ts';
import { eventually, startTestApp, type TestApp } from '../support/test-app.ts';
import { startTestTarget, type TestTarget } from '../support/test-target.ts';

describeEachDatabase('the spine', (database) => {
  let app: TestApp;
  let target: TestTarget;
  let targetId: string;
  let targetSecret: string;

  beforeAll(async () => {
    app = await startTestApp(database());
    target = await startTestTarget();
    const made = await app.client.post('/api/v1/targets', { kind: 'agent', name: 'agent', url: target.url });
    targetId = made.id;
    targetSecret = made.secret;
  });
  afterAll(async () => {
    await app.stop();
    await target.stop();
  });

  const route = (given: object) => app.client.post('/api/v1/communications/routes', { targetId, ...given });
  const receivedAbout = (messageId: string) =>
    eventually(`the target to get message ${messageId}`, () =>
      target.received.find((one) => one.body.data.message.id === messageId),
    );

  it('carries a Slack thread reply of a verified user to the target, signed', async () => {
    const signingSecret = randomUUID().replaceAll('-', '');
    const channel = await app.client.post('/api/v1/channels', {
      provider: 'slack',
      name: 'Slack',
      secrets: { signingSecret },
      settings: {},
    });
    const endpoint = await app.client.post(`/api/v1/channels/${channel.id}/endpoints`, { address: 'T024BE7LD' });
    await route({ endpointId: endpoint.id });
    await app.client.post('/api/v1/inbound/identity-links', {
      channel: 'slack',
      externalIdentity: 't024be7ld:u2147483697',
      userId: 'user-ada',
      verified: true,
    });
    const body = JSON.stringify({
      type: 'event_callback',
      team_id: 'T024BE7LD',
      api_app_id: 'A0001',
      event_id: `Ev${randomUUID()}`,
      event_time: 1_700_000_000,
      event: {
        type: 'message',
        channel: 'C2147483705',
        channel_type: 'channel',
        user: 'U2147483697',
        text: 'Ship it &amp; tell <@U1>',
        ts: '1700000000.000200',
        thread_ts: '1700000000.000100',
      },
    });
    expect((await send(channel.ingestUrl, signSlack({ secret: signingSecret, body }))).status).toBe(200);

    const message = await messageWith(app, '1700000000.000200', 'processed');
    expect(message).toMatchObject({
      channel: 'slack',
      externalIdentity: 'T024BE7LD:U2147483697',
      channelThreadId: '1700000000.000100',
      text: 'Ship it & tell <@U1>',
      trustLevel: 'verified',
      userId: 'user-ada',
      routeTarget: 'agent',
      routeTargetId: targetId,
      endpointId: endpoint.id,
    });
    const received = await receivedAbout(message.id);
    target.verify(received, targetSecret);
    expect(received.body).toMatchObject({
      type: 'message.received',
      data: {
        message: { id: message.id, text: 'Ship it & tell <@U1>' },
        identity: { userId: 'user-ada', trustLevel: 'verified' },
        route: { handlerKind: 'process', targetId },
        delivery: { attempt: 1, replayOf: null },
      },
    });
    expect(received.headers['webhook-id']).toBe(received.body.data.delivery.id);
  });

  it("answers Slack's challenge, and only a signed one", async () => {
    const channel = await app.client.post('/api/v1/channels', {
      provider: 'slack',
      name: 'Slack',
      secrets: { signingSecret: 'a'.repeat(32) },
    });
    const body = JSON.stringify({ type: 'url_verification', challenge: '3eZbrw1aB10FEMAGAZd4FyFQ', token: 'x' });
    const signed = await send(channel.ingestUrl, signSlack({ secret: 'a'.repeat(32), body }));
    expect([signed.status, signed.text]).toEqual([200, '3eZbrw1aB10FEMAGAZd4FyFQ']);
    expect((await send(channel.ingestUrl, signSlack({ secret: 'b'.repeat(32), body }))).status).toBe(401);
  });

  it('takes an SMS with a picture and answers with empty TwiML; linked but unverified stays unverified', async () => {
    const channel = await app.client.post('/api/v1/channels', {
      provider: 'twilio',
      name: 'SMS',
      secrets: { authToken: 'twilio-auth-token' },
    });
    await route({ channelId: channel.id });
    await app.client.post('/api/v1/inbound/identity-links', {
      channel: 'sms',
      externalIdentity: '+1 (415) 555-0101',
      userId: 'user-bob',
    });
    const signed = signTwilioForm({
      authToken: 'twilio-auth-token',
      url: channel.ingestUrl,
      params: {
        MessageSid: 'MM0001',
        AccountSid: 'AC1',
        From: '+14155550101',
        To: '+14155550100',
        Body: 'look at this',
        NumMedia: '1',
        MediaUrl0: 'https://api.twilio.com/media/ME1',
        MediaContentType0: 'image/jpeg',
        SmsStatus: 'received',
      },
    });
    const answer = await send(channel.ingestUrl, signed);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toContain('text/xml');
    expect(answer.text).toContain('<Response');
    const message = await messageWith(app, 'MM0001', 'processed');
    expect(message).toMatchObject({ externalIdentity: '+14155550101', trustLevel: 'unverified', userId: 'user-bob' });
    expect(message.attachments).toMatchObject([{ url: 'https://api.twilio.com/media/ME1', contentType: 'image/jpeg' }]);
  });

  it('takes a raw e-mail at the address that a route was given', async () => {
    const channel = await app.client.post('/api/v1/channels', {
      provider: 'mime',
      name: 'Mail',
      settings: { trustedAuthservIds: ['mx.example.net'] },
    });
    const secret = newWebhookSecret();
    await app.client.post(`/api/v1/channels/${channel.id}/rotate-secret`, { value: secret, graceSeconds: 0 });
    const made = await route({});
    expect(made.address).toMatch(/^[a-z2-7]{16}@inbound\.localhost$/);
    expect(made.channelId).toBe(channel.id);
    const body = [
      'Authentication-Results: mx.example.net; dkim=pass header.d=example.com; dmarc=pass header.from=example.com',
      'From: Ada Lovelace <Ada@Example.com>',
      `To: ${made.address}`,
      'Message-ID: <reply-1@example.com>',
      'In-Reply-To: <first@example.com>',
      'References: <first@example.com>',
      'Subject: Re: engines',
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      'Content-Type: text/plain; charset=utf-8',
      '',
      'As attached.',
      '--b',
      'Content-Type: application/pdf; name=notes.pdf',
      'Content-Disposition: attachment; filename=notes.pdf',
      'Content-Transfer-Encoding: base64',
      '',
      'JVBERi0xLjQK',
      '--b--',
      '',
    ].join('\r\n');
    expect((await send(channel.ingestUrl, signStandardWebhook({ secret, body }))).status).toBe(200);
    const message = await messageWith(app, 'reply-1@example.com', 'processed');
    expect(message).toMatchObject({
      channel: 'email',
      externalIdentity: 'ada@example.com',
      displayName: 'Ada Lovelace',
      channelThreadId: 'first@example.com',
      recipient: made.address,
      endpointId: made.endpointId,
      routeId: made.id,
      vouched: true,
      trustLevel: 'unknown',
    });
    expect(message.text.trim()).toBe('As attached.');
    expect(message.attachments).toMatchObject([{ name: 'notes.pdf', contentType: 'application/pdf', size: 9 }]);
  });

  it('takes an e-mail of almost 30 MiB whole, and answers 413 to a larger one', { timeout: 60_000 }, async () => {
    const channel = await app.client.post('/api/v1/channels', { provider: 'mime', name: 'Large mail' });
    const head = [
      'From: ada@example.com',
      'To: desk@example.net',
      'Message-ID: <large@example.com>',
      'MIME-Version: 1.0',
      'Content-Type: application/octet-stream; name=large.bin',
      'Content-Disposition: attachment; filename=large.bin',
      'Content-Transfer-Encoding: base64',
      '',
      '',
    ].join('\r\n');
    const mail = (mebibytes: number): Uint8Array => {
      const line = `${'QUJD'.repeat(19)}\r\n`;
      const bytes = mebibytes * 1024 * 1024 - head.length;
      return Buffer.from(head + line.repeat(Math.floor(bytes / line.length)));
    };
    const signed = signStandardWebhook({ secret: channel.secret.value, body: mail(29.5) });
    expect((await send(channel.ingestUrl, signed)).status).toBe(200);
    const message = await messageWith(app, 'large@example.com');
    expect(message.attachments).toMatchObject([{ name: 'large.bin', size: expect.any(Number) }]);
    expect(message.attachments[0].size).toBeGreaterThan(21 * 1024 * 1024);
    const { bodyBase64 } = await app.client.get(`/api/v1/events/${message.eventId}`);
    expect(Buffer.from(bodyBase64, 'base64').equals(Buffer.from(signed.body))).toBe(true);
    const larger = signStandardWebhook({ secret: channel.secret.value, body: mail(31) });
    expect((await send(channel.ingestUrl, larger)).status).toBe(413);
  });

  it('keeps an unknown sender whom the policy refuses as rejected, and hands nothing over', async () => {
    const channel = await createWebhookChannel(app.client);
    await route({ channelId: channel.id, allowedSenderPolicy: { minimumTrust: 'unverified' } });
    const id = `msg_${randomUUID()}`;
    expect((await postEvent(channel, { sender: 'mallory', text: 'let me in' }, id)).status).toBe(200);
    const message = await messageWith(app, id, 'rejected');
    expect(message).toMatchObject({ trustLevel: 'unknown', routeTargetId: null });
    const trace = await app.client.get(`/api/v1/inbound/messages/${message.id}/trace`);
    expect(trace.decision).toMatchObject({ reason: 'trust_too_low', considered: [{ verdict: 'refused' }] });
    expect(trace.deliveries).toEqual([]);
  });

  it('keeps a message that no route takes as unrouted', async () => {
    const channel = await createWebhookChannel(app.client);
    const id = `msg_${randomUUID()}`;
    await postEvent(channel, { sender: 'ada', text: 'hello?' }, id);
    const message = await messageWith(app, id, 'unrouted');
    const trace = await app.client.get(`/api/v1/inbound/messages/${message.id}/trace`);
    expect(trace.decision).toMatchObject({ status: 'unrouted', reason: 'no_route', considered: [] });
  });

  it('makes one message of a webhook that arrives fifty times at once, and says 2xx to all', async () => {
    const channel = await createWebhookChannel(app.client);
    await route({ channelId: channel.id });
    const id = `msg_${randomUUID()}`;
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => postEvent(channel, { sender: 'ada', text: 'once' }, id)),
    );
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]));
    const message = await messageWith(app, id, 'processed');
    const { items } = await app.client.get('/api/v1/inbound/messages?limit=200');
    expect(items.filter((item: any) => item.channelMessageId === id)).toHaveLength(1);
    const events = await app.client.get(`/api/v1/events?channelId=${channel.id}&limit=100`);
    const outcomes = events.items.map((event: any) => event.outcome).toSorted();
    expect(outcomes).toEqual(['accepted', ...Array.from({ length: 49 }, () => 'duplicate')]);
    expect(target.received.filter((one) => one.body.data.message.id === message.id)).toHaveLength(1);
  });

  it('stores a verified webhook that cannot be read as unparsed, with its bytes', async () => {
    const channel = await createWebhookChannel(app.client);
    const bytes = new Uint8Array([0x7b, 0x00, 0xff, 0xfe, 0x22]);
    expect((await send(channel.ingestUrl, signStandardWebhook({ secret: channel.secret, body: bytes }))).status).toBe(
      200,
    );
    const { items } = await app.client.get(`/api/v1/events?channelId=${channel.id}`);
    expect(items).toHaveLength(1);
    expect(items[0]).toMatchObject({ outcome: 'unparsed' });
    expect(items[0].reason).toBeTruthy();
    const event = await app.client.get(`/api/v1/events/${items[0].id}`);
    expect(Buffer.from(event.bodyBase64, 'base64')).toEqual(Buffer.from(bytes));
    expect(event.bodyText).toBeNull();
    expect(event.headers).toContainEqual(['webhook-id', expect.any(String)]);
  });

  it('answers an unknown channel and a bad signature alike, in text and in time', async () => {
    const channel = await createWebhookChannel(app.client);
    const unknown = channel.ingestUrl.replace(channel.id, randomUUID());
    const malformed = channel.ingestUrl.replace(channel.id, 'no-uuid');
    const forged = signStandardWebhook({ secret: newWebhookSecret(), body: '{}' });
    const answers: { status: number; text: string; challenge: string | null; ms: number }[] = [];
    for (const url of [channel.ingestUrl, unknown, malformed, channel.ingestUrl, unknown, malformed]) {
      const started = performance.now();
      const answer = await send(url, forged);
      answers.push({
        status: answer.status,
        text: answer.text,
        challenge: answer.headers.get('www-authenticate'),
        ms: performance.now() - started,
      });
    }
    expect(new Set(answers.map(({ ms: _ms, ...answer }) => JSON.stringify(answer))).size).toBe(1);
    expect(answers[0]).toMatchObject({ status: 401, challenge: 'Basic realm="postroom"' });
    // What they cost differs by milliseconds at the most; every answer waits for the same moment.
    for (const { ms } of answers) expect(ms).toBeGreaterThan(45);
  });

  it('answers 413 to a body over the limit, declared or not, and keeps evidence', async () => {
    const channel = await createWebhookChannel(app.client);
    const big = 'x'.repeat(1024 * 1024 + 1);
    expect((await postEvent(channel, big)).status).toBe(413);
    const streamed = await fetch(channel.ingestUrl, {
      method: 'POST',
      body: new Blob([big]).stream(),
      duplex: 'half',
    });
    expect(streamed.status).toBe(413);
    const rejections = await eventually('evidence', async () => {
      const { items } = await app.client.get(`/api/v1/channels/${channel.id}/rejections`);
      return items.length > 0 ? items : undefined;
    });
    expect(rejections[0]).toMatchObject({ reason: 'too_large' });
  });

  it('counts refused requests by reason, without their secrets', async () => {
    const channel = await createWebhookChannel(app.client);
    const forged = signStandardWebhook({ secret: newWebhookSecret(), body: '{"text":"sesame"}' });
    await send(channel.ingestUrl, forged);
    await send(channel.ingestUrl, forged);
    await app.app.services.rejections.flush();
    const { items } = await app.client.get(`/api/v1/channels/${channel.id}/rejections`);
    expect(items).toMatchObject([{ reason: 'bad_signature', count: 2 }]);
    const text = JSON.stringify(items);
    expect(text).not.toContain('sesame');
    expect(text).not.toContain(forged.headers['webhook-signature']);
  });

  it('holds what a paused channel takes in, and routes it when the channel goes on', async () => {
    const channel = await createWebhookChannel(app.client);
    await route({ channelId: channel.id });
    await app.client.post(`/api/v1/channels/${channel.id}/pause`);
    const id = `msg_${randomUUID()}`;
    expect((await postEvent(channel, { sender: 'ada', text: 'wait for me' }, id)).status).toBe(200);
    const other = await createWebhookChannel(app.client);
    await postEvent(other, { sender: 'ada', text: 'passing' }, `${id}-other`);
    await messageWith(app, `${id}-other`, 'unrouted');
    expect((await messageWith(app, id)).status).toBe('received');
    await app.client.post(`/api/v1/channels/${channel.id}/resume`);
    await messageWith(app, id, 'processed');
  });

  it('accepts the old and the new secret while one is rotated, and the new one alone after it', async () => {
    const channel = await createWebhookChannel(app.client);
    const rotate = async (graceSeconds: number): Promise<TestChannel> => {
      const value = newWebhookSecret();
      const answer = await app.client.post(`/api/v1/channels/${channel.id}/rotate-secret`, { value, graceSeconds });
      expect(answer.secret).toEqual({ name: 'secret', value: null });
      return { ...channel, secret: value };
    };
    const next = await rotate(3_600);
    expect((await postEvent(channel, { sender: 'a' })).status).toBe(200);
    expect((await postEvent(next, { sender: 'a' })).status).toBe(200);
    const last = await rotate(0);
    expect((await postEvent(channel, { sender: 'a' })).status).toBe(401);
    expect((await postEvent(next, { sender: 'a' })).status).toBe(401);
    expect((await postEvent(last, { sender: 'a' })).status).toBe(200);
  });

  it('answers a deleted channel like one that never was', async () => {
    const channel = await createWebhookChannel(app.client);
    expect((await postEvent(channel, { sender: 'a' })).status).toBe(200);
    expect((await app.client.request('DELETE', `/api/v1/channels/${channel.id}`)).status).toBe(204);
    expect((await postEvent(channel, { sender: 'a' })).status).toBe(401);
    expect((await app.client.request('GET', `/api/v1/channels/${channel.id}`)).status).toBe(404);
  });
});
