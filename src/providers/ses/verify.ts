import { verify as verifyRsa, X509Certificate, type KeyObject } from 'node:crypto';
import { RetryableError } from '../../lib/errors.ts';
import type {
  HandshakeContext,
  ProviderChannel,
  Reply,
  Verdict,
  VerifyContext,
  WebhookRequest,
} from '../../provider.ts';
import { accepted, decodeBase64, refused } from '../kit/signature.ts';
import { checkTimestampIn } from '../kit/verify/timestamp.ts';
import { readEnvelope, type SnsEnvelope } from './schema.ts';

type Channel = ProviderChannel<Record<string, string[]>, { topicArns: string[] }>;

const algorithms: ReadonlyMap<string | undefined, string> = new Map([
  ['1', 'RSA-SHA1'],
  ['2', 'RSA-SHA256'],
]);

/**
 * In seconds. The time is when it was published; SNS repeats for an hour at most and signs
 * once. A day leaves room for a backlog of its own: what is refused here is lost.
 */
const tolerance = { early: 300, late: 86_400 };

/**
 * Checks the signature of SNS, which is in the body. It proves no more than that some AWS account
 * published this, so the topic must be one of the channel's; and that is looked at first, so that
 * nobody else makes us get certificates.
 * Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
 */
export async function verifySns(request: WebhookRequest, channel: Channel, context: VerifyContext): Promise<Verdict> {
  const envelope = readEnvelope(request.body);
  if (!envelope) return refused('bad_body');
  if (!envelope.Signature) return refused('missing_signature');
  if (!channel.settings.topicArns.includes(envelope.TopicArn)) return refused('bad_token');
  const time = checkTimestampIn('iso', envelope.Timestamp, context.now, tolerance);
  if (!time.ok) return time;
  const algorithm = algorithms.get(envelope.SignatureVersion);
  const signature = decodeBase64(envelope.Signature);
  const signed = signedText(envelope);
  const certificate = snsUrl(envelope.SigningCertURL, envelope.TopicArn);
  if (!algorithm || !signature || signed === undefined) return refused('bad_signature');
  if (!certificate || !/^\/[\w.-]{1,200}\.pem$/.test(certificate.pathname) || certificate.search) {
    return refused('bad_signature');
  }
  const key = readKey(await context.published(certificate.href));
  const matches = key !== undefined && verifyRsa(algorithm, Buffer.from(signed), key, signature);
  return matches ? accepted : refused('bad_signature');
}

/**
 * Confirms a subscription that is verified, so that SNS begins to post. A subscription may be
 * confirmed any number of times.
 *
 * @throws RetryableError where SNS does not confirm it; the request is answered 503 and comes again.
 */
export async function confirmSubscription(
  request: WebhookRequest,
  _channel: Channel,
  context: HandshakeContext,
): Promise<Reply | undefined> {
  const envelope = context.verified ? readEnvelope(request.body) : undefined;
  if (envelope?.Type !== 'SubscriptionConfirmation') return undefined;
  const url = snsUrl(envelope.SubscribeURL, envelope.TopicArn);
  if (url?.pathname !== '/' || url.searchParams.get('Action') !== 'ConfirmSubscription') return undefined;
  const { status } = await context.fetch(url.href);
  if (status !== 200) throw new RetryableError('not_confirmed', `SNS answers ${status} to the confirmation`);
  return { status: 200 };
}

/**
 * A URL of SNS in the topic's own region, over https; undefined for any other. The region is part of
 * the topic's ARN: `arn:aws:sns:eu-west-1:123456789012:inbound-mail`.
 */
function snsUrl(text: string | undefined, topicArn: string): URL | undefined {
  const url = URL.parse(text ?? '');
  const [, partition, , region] = topicArn.split(':');
  const host = `sns.${region}.amazonaws.com${partition === 'aws-cn' ? '.cn' : ''}`;
  if (url?.protocol !== 'https:' || url.host !== host || url.username || url.password || url.hash) return undefined;
  return url;
}

/**
 * Name and value of each signed field, each on a line. Only the message may have line ends in it:
 * with them in others, one signature would fit several ways of cutting the text into fields.
 */
function signedText(envelope: SnsEnvelope): string | undefined {
  const { Message, MessageId, Subject, SubscribeURL, Timestamp, Token, TopicArn, Type } = envelope;
  const isNotification = Type === 'Notification';
  const fields: [string, string | null | undefined][] = isNotification
    ? Object.entries({ Message, MessageId, Subject, Timestamp, TopicArn, Type })
    : Object.entries({ Message, MessageId, SubscribeURL, Timestamp, Token, TopicArn, Type });
  const given = fields.filter((field): field is [string, string] => typeof field[1] === 'string');
  if (!isNotification && given.length < fields.length) return undefined;
  if (given.some(([name, value]) => name !== 'Message' && value.includes('\n'))) return undefined;
  // Half a surrogate pair is signed as U+FFFD: it could be put in the place of one.
  if (given.some(([, value]) => !value.isWellFormed())) return undefined;
  return given.map(([name, value]) => `${name}\n${value}\n`).join('');
}

function readKey(certificate: string): KeyObject | undefined {
  try {
    const { publicKey } = new X509Certificate(certificate);
    return publicKey.asymmetricKeyType === 'rsa' ? publicKey : undefined;
  } catch {
    return undefined; // Whatever was published there, it is no certificate.
  }
}
