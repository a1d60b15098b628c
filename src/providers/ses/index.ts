import { z } from 'zod';
import { defineProvider } from '../../provider.ts';
import { fetchSesAttachment, parseSes } from './parse.ts';
import { confirmSubscription, verifySns } from './verify.ts';

const arn = /^arn:aws(?:-cn|-us-gov)?:sns:[a-z0-9-]{1,40}:\d{12}:[A-Za-z0-9_-]{1,256}$/;

/**
 * Mail that Amazon SES received and published to an SNS topic.
 * Source: https://docs.aws.amazon.com/ses/latest/dg/receiving-email-notifications-contents.html
 */
export const ses = defineProvider({
  name: 'ses',
  kind: 'email',
  title: 'Amazon SES (inbound e-mail through SNS)',
  secrets: z.strictObject({}),
  settings: z.strictObject({
    topicArns: z
      .array(z.string().trim().regex(arn, 'an ARN looks like arn:aws:sns:eu-west-1:123456789012:inbound-mail'))
      .min(1)
      .max(50)
      .describe(
        'The ARNs of your SNS topics, such as arn:aws:sns:eu-west-1:123456789012:inbound-mail. Any AWS account can have SNS post here with a valid signature, so other topics are refused.',
      ),
  }),
  setup: {
    steps: [
      'Amazon SNS, Topics, Create topic: Standard. Enter its ARN in the setting topicArns. Under Access policy let ses.amazonaws.com publish, or choose the topic in SES, which offers to do so.',
      'The topic, Create subscription: protocol HTTPS, endpoint {ingestUrl}, raw message delivery off (raw messages are not signed). It is confirmed by itself within seconds.',
      'Optional: on the subscription a retry policy of up to an hour and a dead-letter queue.',
      'Amazon SES, Email receiving, your rule set, Create rule: the recipients, then the action "Publish to Amazon SNS topic" with the topic and the encoding Base64. SES bounces mail over 150 KB that has this action.',
      'For larger mail: the action "Deliver to S3 bucket" with the topic as its SNS topic. The message then says where the mail lies, and has no text.',
    ],
    address: 'The mailbox that the mail was received for, such as support@in.example.com.',
  },
  verify: verifySns,
  handshake: confirmSubscription,
  parse: parseSes,
  fetchAttachment: (attachment, _channel, { event }) => fetchSesAttachment(attachment, event),
});
