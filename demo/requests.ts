import { randomBytes } from 'node:crypto';
import type { Scenery } from './scenery.ts';
import { signSlack, signStandardWebhook, signTwilioForm, type SignedRequest } from './sign.ts';

/** What the providers post, each under an id of its own. */
export interface DemoRequest {
  /** The id that the message will have. */
  readonly messageId: string;
  readonly signed: SignedRequest;
}

/** A reply in a thread. The same `ts` again is the same post. */
export function slackReply(scenery: Scenery, ts: string, secret = scenery.slack.secret): DemoRequest {
  const { workspace, adaSlackUser } = scenery.people;
  const body = JSON.stringify({
    type: 'event_callback',
    team_id: workspace,
    api_app_id: 'A0DEMO001',
    event_id: `Ev${ts.replace('.', '')}`,
    event: {
      type: 'message',
      user: adaSlackUser,
      team: workspace,
      channel: 'C0SUPPORT',
      channel_type: 'channel',
      text: 'The invoice for March is still missing. Can you look?',
      ts,
      thread_ts: '1741080000.000200',
      user_profile: { real_name: 'Ada' },
    },
  });
  return { messageId: ts, signed: signSlack({ secret, body }) };
}

/** Slack's name for a moment: seconds and a counter. */
export function slackTimestamp(): string {
  return `${Math.floor(Date.now() / 1000)}.${String(randomBytes(3).readUIntBE(0, 3) % 1_000_000).padStart(6, '0')}`;
}

export function twilioMessage(
  scenery: Scenery,
  message: { from: string; text: string; pictureUrl?: string },
): DemoRequest {
  const { twilio, people } = scenery;
  const id = randomBytes(16).toString('hex');
  const sid = `${message.pictureUrl ? 'MM' : 'SM'}${id}`;
  const media = message.pictureUrl ? { MediaUrl0: message.pictureUrl, MediaContentType0: 'image/jpeg' } : {};
  const params = {
    AccountSid: 'AC00000000000000000000000000000001',
    ApiVersion: '2010-04-01',
    Body: message.text,
    From: message.from,
    MessageSid: sid,
    NumMedia: message.pictureUrl ? '1' : '0',
    SmsStatus: 'received',
    To: people.ourNumber,
    ...media,
  };
  return { messageId: sid, signed: signTwilioForm({ authToken: twilio.secret, url: twilio.ingestUrl, params }) };
}

/** A mail as a mail server hands it on; with `proof`, the server has found its DMARC to pass. */
export function rawMail(scenery: Scenery, mail: { subject: string; text: string; proof: boolean }): DemoRequest {
  const { people, mime } = scenery;
  const id = `${randomBytes(8).toString('hex')}@example.org`;
  const results = mail.proof ? 'dmarc=pass header.from=example.org' : 'dmarc=none';
  const body = [
    `Delivered-To: ${people.mailbox}`,
    `Authentication-Results: mx.example.com; ${results}`,
    `From: Ada <${people.adaByMail}>`,
    `To: Support <${people.mailbox}>`,
    `Subject: ${mail.subject}`,
    `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: <${id}>`,
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary="part"',
    '',
    '--part',
    'Content-Type: text/plain; charset=utf-8',
    '',
    mail.text,
    '--part',
    'Content-Type: application/pdf; name="contract.pdf"',
    'Content-Disposition: attachment; filename="contract.pdf"',
    'Content-Transfer-Encoding: base64',
    '',
    Buffer.from('%PDF-1.4 not much of a contract').toString('base64'),
    '--part--',
    '',
  ].join('\r\n');
  return { messageId: id, signed: signStandardWebhook({ secret: mime.secret, body, contentType: 'message/rfc822' }) };
}

export function billingEvent(scenery: Scenery): DemoRequest {
  const id = `inv_${randomBytes(8).toString('hex')}`;
  const body = JSON.stringify({
    type: 'invoice.paid',
    timestamp: new Date().toISOString(),
    data: { id, from: 'billing', text: 'Invoice 2025-031 was paid: 120.00 EUR', amount: 12_000, currency: 'EUR' },
  });
  return { messageId: id, signed: signStandardWebhook({ secret: scenery.webhooks.secret, body }) };
}
