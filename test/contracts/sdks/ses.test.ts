import { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import https from 'node:https';
import * as fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { ses } from '../../../src/providers/ses/index.ts';
import type { Verdict } from '../../../src/provider.ts';
import { verifyContext } from '../../support/provider-context.ts';
import { certificatePem, certificateUrl, signEnvelope } from '../signers/ses.ts';
import { anyText } from '../verify-request.ts';

/** AWS's own validator, which has no types. It gets the certificate by `https.get`. */
type Validator = new () => {
  validate(message: Record<string, string>, done: (error: Error | null) => void): void;
};
const MessageValidator = createRequire(import.meta.url)('sns-validator') as Validator;
const topicArn = 'arn:aws:sns:eu-west-1:123456789012:inbound-mail';
const now = new Date('2025-03-04T12:00:00.000Z');

afterEach(() => {
  vi.restoreAllMocks();
});

async function sdkAccepts(envelope: Record<string, string>): Promise<boolean> {
  vi.spyOn(https, 'get').mockImplementation(((url: string, done: (answer: EventEmitter) => void) => {
    expect(url).toBe(certificateUrl);
    const answer = Object.assign(new EventEmitter(), { statusCode: 200 });
    done(answer);
    answer.emit('data', certificatePem);
    answer.emit('end');
    return new EventEmitter();
  }) as never);
  return await new Promise((resolve) => {
    new MessageValidator().validate({ ...envelope }, (error) => {
      resolve(error === null);
    });
  });
}

async function verify(envelope: Record<string, string>): Promise<Verdict> {
  const request = {
    method: 'POST',
    url: 'https://post.example.com/in/1',
    headers: new Headers(),
    body: new TextEncoder().encode(JSON.stringify(envelope)),
  };
  const channel = { secrets: {}, settings: ses.settings.parse({ topicArns: [topicArn] }) };
  const published = async (): Promise<string> => certificatePem;
  return await ses.verify(request, channel, verifyContext(now, { published }));
}

const line = anyText.filter((text) => text.isWellFormed() && !text.includes('\n'));

test('SES: AWS’s validator and ours agree on notifications, with and without a subject', async () => {
  await fc.assert(
    fc.asyncProperty(
      anyText.filter((text) => text.isWellFormed()),
      fc.option(line),
      fc.constantFrom('1', '2'),
      fc.constantFrom('Message', 'MessageId', 'Subject', 'TopicArn', 'SignatureVersion', 'nothing'),
      async (Message, Subject, version, changed) => {
        const unsigned = {
          Type: 'Notification',
          MessageId: 'da41e39f-ea4d-435a-b922-c6aae3915ebe',
          TopicArn: topicArn,
          Message,
          ...(Subject === null ? {} : { Subject }),
        };
        const signed = signEnvelope(unsigned, version, now);
        const sent = changed in signed ? { ...signed, [changed]: `${signed[changed]}3` } : signed;
        const verdict = await verify(sent);
        expect(verdict.ok).toBe(sent === signed);
        expect(await sdkAccepts(sent)).toBe(verdict.ok);
      },
    ),
    { numRuns: 60 },
  );
});

test('SES: AWS’s validator and ours agree on a subscription’s confirmation', async () => {
  const unsigned = {
    Type: 'SubscriptionConfirmation',
    MessageId: '165545c9-2a5c-472c-8df2-7ff2be2b3b1b',
    Token: '2336412f37fb687f5d51e6e241d09c805a5a57b30d712f79',
    TopicArn: topicArn,
    Message: 'You have chosen to subscribe.\nTo confirm, visit the SubscribeURL.',
    SubscribeURL: `https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=${topicArn}`,
  };
  for (const version of ['1', '2']) {
    const signed = signEnvelope(unsigned, version, now);
    expect(await verify(signed)).toEqual({ ok: true });
    expect(await sdkAccepts(signed)).toBe(true);
    const changed = { ...signed, Token: `${signed['Token']}0` };
    expect(await verify(changed)).toEqual({ ok: false, reason: 'bad_signature' });
    expect(await sdkAccepts(changed)).toBe(false);
  }
});
