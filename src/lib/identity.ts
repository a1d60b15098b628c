import { parsePhoneNumberFromString } from 'libphonenumber-js/min';
import type { ChannelKind } from './channel-kinds.ts';

/**
 * Brings an external identity, or an endpoint's address, into the one form that is stored and
 * looked up: e-mail lower-cased, phone numbers E.164, Slack `TEAM:USER` upper-cased, others trimmed.
 * Normalising twice gives the same as once.
 *
 * A text that is not of the expected form (a short code such as `32665`, an alphanumeric sender) is
 * trimmed and otherwise left as it is: it is still somebody.
 */
export function normalizeIdentity(kind: ChannelKind, raw: string): string {
  const value = raw.trim();
  switch (kind) {
    case 'email':
      // ASCII alone: Unicode's rules would make the Kelvin sign a k, and one address out of two.
      return value.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
    case 'sms':
    case 'voice':
    case 'whatsapp':
      return normalizePhone(value);
    case 'slack':
      return value.toUpperCase();
    default:
      return value;
  }
}

/**
 * The whole text must be one number: the library would otherwise pick a number out of a longer
 * text, and an extension would be dropped, so that two callers became one.
 */
function normalizePhone(value: string): string {
  if (!value.startsWith('+')) return value;
  const parsed = parsePhoneNumberFromString(value, { extract: false });
  return parsed?.isPossible() && !parsed.ext ? parsed.number : value;
}
