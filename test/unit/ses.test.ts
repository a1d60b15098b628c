import { describe, expect, test } from 'vitest';
import type { ProviderFetch, Reply, Verdict } from '../../src/provider.ts';
import { ses } from '../../src/providers/ses/index.ts';
import { RetryableError } from '../../src/lib/errors.ts';
import { certificatePem, certificateUrl, signEnvelope } from '../contracts/signers/ses.ts';
import { handshakeContext, verifyContext } from '../support/provider-context.ts';

const now = new Date('2025-03-04T12:00:00.000Z');
const topicArn = 'arn:aws:sns:eu-west-1:123456789012:inbound-mail';
const channel = { secrets: {}, settings: ses.settings.parse({ topicArns: [topicArn] }) };
const notification = { Type: 'Notification', MessageId: 'm1', TopicArn: topicArn, Message: 'Hello' };
const confirmation = {
  Type: 'SubscriptionConfirmation',
  MessageId: 'm2',
  Token: '2336412f37fb',
  TopicArn: topicArn,
  Message: 'You have chosen to subscribe.',
  SubscribeURL: 'https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37fb',
};

function post(body: unknown): { method: string; url: string; headers: Headers; body: Uint8Array } {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { method: 'POST', url: 'https://x/', headers: new Headers(), body: new TextEncoder().encode(text) };
}

/** What is said to a body, and which URLs were asked for a certificate. */
async function verify(body: unknown): Promise<{ verdict: Verdict; asked: string[] }> {
  const asked: string[] = [];
  const published = async (url: string): Promise<string> => {
    asked.push(url);
    return certificatePem;
  };
  return { verdict: await ses.verify(post(body), channel, verifyContext(now, { published })), asked };
}

describe('the certificate', () => {
  test('is got from where the notification says', async () => {
    expect(await verify(signEnvelope(notification, '2', now))).toEqual({
      verdict: { ok: true },
      asked: [certificateUrl],
    });
  });

  test.each([
    'http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem',
    'https://sns.eu-west-1.amazonaws.com.mallory.example/SimpleNotificationService-1.pem',
    'https://sns.eu-west-1.amazonaws.com@mallory.example/SimpleNotificationService-1.pem',
    'https://mallory@sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem',
    'https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-1.pem',
    'https://mallory.example/sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem',
    'https://s3.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem',
    // Another region than the topic's, another partition.
    'https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem',
    'https://sns.eu-west-1.amazonaws.com.cn/SimpleNotificationService-1.pem',
    'https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem?x=.pem',
    'https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem#x.pem',
    'https://sns.eu-west-1.amazonaws.com/?Action=x.pem',
    'https://sns.eu-west-1.amazonaws.com/mallory/x.pem',
    'https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.txt',
    'not a URL',
    '',
  ])('is not got from %s', async (SigningCertURL) => {
    const signed = { ...signEnvelope(notification, '2', now), SigningCertURL };
    expect(await verify(signed)).toEqual({ verdict: { ok: false, reason: 'bad_signature' }, asked: [] });
  });

  test('that cannot be had now makes the request come again', async () => {
    const published = (): Promise<string> => Promise.reject(new RetryableError('not_published', 'no answer'));
    const request = post(signEnvelope(notification, '2', now));
    await expect(ses.verify(request, channel, verifyContext(now, { published }))).rejects.toThrow(RetryableError);
  });
});

describe('refused, without asking anybody', () => {
  const signed = signEnvelope(notification, '2', now);
  const { Signature: _, ...unsigned } = signed;
  test.each([
    [
      'another topic, with a valid signature',
      signEnvelope({ ...notification, TopicArn: `${topicArn}2` }, '2', now),
      'bad_token',
    ],
    ['a raw delivery', '{"notificationType":"Received","content":"From: a@b"}', 'bad_body'],
    ['no JSON', 'hello', 'bad_body'],
    ['a field that is no text', { ...signed, Message: 7 }, 'bad_body'],
    ['no signature', unsigned, 'missing_signature'],
    ['an empty signature', { ...signed, Signature: '' }, 'missing_signature'],
    ['a signature that is no base64', { ...signed, Signature: `${signed['Signature']}!` }, 'bad_signature'],
    ['an unknown version', { ...signed, SignatureVersion: '3' }, 'bad_signature'],
    ['half a surrogate pair', { ...signed, Message: '\ud800' }, 'bad_signature'],
    [
      'a line end outside the message',
      signEnvelope({ ...notification, MessageId: 'm1\nx' }, '2', now),
      'bad_signature',
    ],
    ['no time', { ...signed, Timestamp: 'now' }, 'bad_timestamp'],
    ['a time of yesterday', signEnvelope(notification, '2', new Date(now.getTime() - 86_400_001)), 'stale_timestamp'],
  ])('%s', async (_name, body, reason) => {
    expect(await verify(body)).toEqual({ verdict: { ok: false, reason }, asked: [] });
  });
});

describe('the confirmation of a subscription', () => {
  async function shake(
    body: unknown,
    status: number,
    verified = true,
  ): Promise<{ reply: Reply | undefined; asked: string[] }> {
    const asked: string[] = [];
    const fetch: ProviderFetch = async (url) => {
      asked.push(url);
      return { status, headers: new Headers(), body: new Uint8Array() };
    };
    const reply = await ses.handshake?.(post(body), channel, handshakeContext(now, { verified, fetch }));
    return { reply, asked };
  }
  const signed = signEnvelope(confirmation, '2', now);

  test('is called, as often as it comes', async () => {
    for (const _ of [1, 2]) {
      expect(await shake(signed, 200)).toEqual({ reply: { status: 200 }, asked: [confirmation.SubscribeURL] });
    }
  });

  test('comes again where SNS does not take it', async () => {
    await expect(shake(signed, 500)).rejects.toThrow(RetryableError);
    await expect(shake(signed, 302)).rejects.toThrow(RetryableError);
  });

  test.each([
    ['it is not verified', signed, false],
    [
      'it is a notification',
      signEnvelope({ ...notification, SubscribeURL: confirmation.SubscribeURL }, '2', now),
      true,
    ],
    ['it ends a subscription', { ...signed, Type: 'UnsubscribeConfirmation' }, true],
    [
      'its URL is of another host',
      { ...signed, SubscribeURL: 'https://mallory.example/?Action=ConfirmSubscription' },
      true,
    ],
    [
      'its URL asks for another region',
      { ...signed, SubscribeURL: signed['SubscribeURL']?.replace('eu-', 'us-') },
      true,
    ],
    [
      'its URL does something else',
      { ...signed, SubscribeURL: signed['SubscribeURL']?.replace('Confirm', 'Cancel') },
      true,
    ],
  ])('calls nobody where %s', async (_name, body, verified) => {
    expect(await shake(body, 200, verified)).toEqual({ reply: undefined, asked: [] });
  });
});

test('a channel needs a topic, and the ARN must be one', () => {
  for (const topicArns of [undefined, [], ['inbound-mail'], ['arn:aws:sqs:eu-west-1:123456789012:inbound-mail']]) {
    expect(ses.settings.safeParse({ topicArns }).success).toBe(false);
  }
  for (const arn of ['arn:aws-cn:sns:cn-north-1:123456789012:a', 'arn:aws-us-gov:sns:us-gov-west-1:123456789012:a']) {
    expect(ses.settings.safeParse({ topicArns: [arn] }).success).toBe(true);
  }
});
