import { normalizeIdentity } from '../../../lib/identity.ts';
import type { Ignored, ParsedMessage } from '../../../provider.ts';
import { boundId } from '../fields.ts';
import { sha256Hex } from '../signature.ts';
import { findRecipient } from './headers.ts';
import { mailMessage, type Mail, type MailReceipt } from './message.ts';

/** What RFC 5321 (section 4.5.3.1.8) has a mail server take in one go; each is a message of its own. */
const maxRecipients = 100;

/**
 * One message for each recipient that the envelope names; where it names none, one to whom the mail
 * itself is addressed. The mail is read once, however many they are.
 */
export function mailMessages(
  mail: Mail,
  envelope: readonly string[],
  receipt: Omit<MailReceipt, 'recipient'>,
): { messages: ParsedMessage[]; ignored: Ignored[] } {
  const message = mailMessage(mail, { ...receipt, recipient: null });
  const named = new Set(envelope.map((address) => boundId(normalizeIdentity('email', address))));
  named.delete('');
  const recipients = named.size > 0 ? [...named] : [findRecipient(mail, undefined)];
  return {
    messages: recipients.slice(0, maxRecipients).map((recipient) => ({
      ...message,
      recipient: recipient === null ? null : boundId(recipient),
      dedupeKey: sha256Hex(JSON.stringify([message.dedupeKey, recipient])),
    })),
    ignored: recipients.length > maxRecipients ? [{ reason: 'too_many_recipients' }] : [],
  };
}
