import type { Signer } from '../signer.ts';
import { signer as basic } from './basic.ts';
import { signer as bearer } from './bearer.ts';
import { signer as bird } from './bird.ts';
import { signer as chargebee } from './chargebee.ts';
import { signer as discord } from './discord.ts';
import { signer as github } from './github.ts';
import { signer as hmac } from './hmac.ts';
import { signer as hubspot } from './hubspot.ts';
import { signer as intercom } from './intercom.ts';
import { signer as ipAllowList } from './ip-allow-list.ts';
import { signer as linear } from './linear.ts';
import { signer as mailgun } from './mailgun.ts';
import { signer as messagebird } from './messagebird.ts';
import { signer as mime } from './mime.ts';
import { signer as plivo } from './plivo.ts';
import { signer as postmark } from './postmark.ts';
import { signer as resend } from './resend.ts';
import { signer as sendgrid } from './sendgrid.ts';
import { signer as ses } from './ses.ts';
import { signer as shopify } from './shopify.ts';
import { signer as sinch } from './sinch.ts';
import { signer as slack } from './slack.ts';
import { signer as standardWebhooks } from './standard-webhooks.ts';
import { signer as stripe } from './stripe.ts';
import { signer as teams } from './teams.ts';
import { signer as telegram } from './telegram.ts';
import { signer as telnyx } from './telnyx.ts';
import { signer as twilio } from './twilio.ts';
import { signer as vapi } from './vapi.ts';
import { signer as vonage } from './vonage.ts';
import { signer as whatsappCloud } from './whatsapp-cloud.ts';
import { signer as zendesk } from './zendesk.ts';

/** Every provider's signer, by the provider's name. A new one is its import and one line here. */
export const signers: Readonly<Record<string, Signer>> = {
  basic,
  bearer,
  bird,
  chargebee,
  discord,
  github,
  hmac,
  hubspot,
  intercom,
  'ip-allow-list': ipAllowList,
  linear,
  mailgun,
  messagebird,
  mime,
  plivo,
  postmark,
  resend,
  sendgrid,
  ses,
  shopify,
  sinch,
  slack,
  'standard-webhooks': standardWebhooks,
  stripe,
  teams,
  telegram,
  telnyx,
  twilio,
  vapi,
  vonage,
  'whatsapp-cloud': whatsappCloud,
  zendesk,
};
