import type { Provider } from '../provider.ts';
import { basic } from './basic/index.ts';
import { bearer } from './bearer/index.ts';
import { bird } from './bird/index.ts';
import { chargebee } from './chargebee/index.ts';
import { discord } from './discord/index.ts';
import { github } from './github/index.ts';
import { hmac } from './hmac/index.ts';
import { hubspot } from './hubspot/index.ts';
import { intercom } from './intercom/index.ts';
import { ipAllowList } from './ip-allow-list/index.ts';
import { linear } from './linear/index.ts';
import { mailgun } from './mailgun/index.ts';
import { messagebird } from './messagebird/index.ts';
import { mime } from './mime/index.ts';
import { plivo } from './plivo/index.ts';
import { postmark } from './postmark/index.ts';
import { resend } from './resend/index.ts';
import { sendgrid } from './sendgrid/index.ts';
import { ses } from './ses/index.ts';
import { shopify } from './shopify/index.ts';
import { sinch } from './sinch/index.ts';
import { slack } from './slack/index.ts';
import { standardWebhooks } from './standard-webhooks/index.ts';
import { stripe } from './stripe/index.ts';
import { teams } from './teams/index.ts';
import { telegram } from './telegram/index.ts';
import { telnyx } from './telnyx/index.ts';
import { twilio } from './twilio/index.ts';
import { vapi } from './vapi/index.ts';
import { vonage } from './vonage/index.ts';
import { whatsappCloud } from './whatsapp-cloud/index.ts';
import { zendesk } from './zendesk/index.ts';

/** Every provider, by name. A new one is its folder, its import and one line here. */
export const providers: ReadonlyMap<string, Provider> = new Map([
  [basic.name, basic],
  [bearer.name, bearer],
  [bird.name, bird],
  [chargebee.name, chargebee],
  [discord.name, discord],
  [github.name, github],
  [hmac.name, hmac],
  [hubspot.name, hubspot],
  [intercom.name, intercom],
  [ipAllowList.name, ipAllowList],
  [linear.name, linear],
  [mailgun.name, mailgun],
  [messagebird.name, messagebird],
  [mime.name, mime],
  [plivo.name, plivo],
  [postmark.name, postmark],
  [resend.name, resend],
  [sendgrid.name, sendgrid],
  [ses.name, ses],
  [shopify.name, shopify],
  [sinch.name, sinch],
  [slack.name, slack],
  [standardWebhooks.name, standardWebhooks],
  [stripe.name, stripe],
  [teams.name, teams],
  [telegram.name, telegram],
  [telnyx.name, telnyx],
  [twilio.name, twilio],
  [vapi.name, vapi],
  [vonage.name, vonage],
  [whatsappCloud.name, whatsappCloud],
  [zendesk.name, zendesk],
]);
