import type { Signer } from '../signer.ts';
import { signer as github } from './github.ts';
import { signer as mime } from './mime.ts';
import { signer as slack } from './slack.ts';
import { signer as standardWebhooks } from './standard-webhooks.ts';
import { signer as stripe } from './stripe.ts';
import { signer as telegram } from './telegram.ts';
import { signer as twilio } from './twilio.ts';
import { signer as whatsappCloud } from './whatsapp-cloud.ts';

/** Every provider's signer, by the provider's name. A new one is its import and one line here. */
export const signers: Readonly<Record<string, Signer>> = {
  github,
  mime,
  slack,
  'standard-webhooks': standardWebhooks,
  stripe,
  telegram,
  twilio,
  'whatsapp-cloud': whatsappCloud,
};
