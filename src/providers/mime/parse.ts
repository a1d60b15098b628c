import type { Parsed, ProviderChannel, WebhookRequest } from '../../provider.ts';
import { findRecipient } from '../kit/mail/headers.ts';
import { mailMessage } from '../kit/mail/message.ts';
import { readRawMail } from '../kit/mail/raw.ts';
import { isVouched } from '../kit/mail/vouch.ts';
import { webhookId } from '../kit/verify/standard-webhooks.ts';

type Settings = { trustedAuthservIds: string[]; inboundDomain?: string | undefined };

/** One message per mail. Throws where the body is no e-mail or exceeds the limits. */
export async function parseMail(
  request: WebhookRequest,
  channel: ProviderChannel<Record<string, string[]>, Settings>,
): Promise<Parsed> {
  const { trustedAuthservIds, inboundDomain } = channel.settings;
  const mail = await readRawMail(request.body);
  const recipient = findRecipient(mail, inboundDomain);
  const message = mailMessage(mail, { recipient, vouched: isVouched(mail, trustedAuthservIds) });
  return { deliveryId: webhookId(request.headers), messages: [message], ignored: [] };
}
