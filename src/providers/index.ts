import type { Provider } from '../provider.ts';
import { github } from './github/index.ts';
import { mime } from './mime/index.ts';
import { slack } from './slack/index.ts';
import { standardWebhooks } from './standard-webhooks/index.ts';
import { stripe } from './stripe/index.ts';
import { telegram } from './telegram/index.ts';
import { twilio } from './twilio/index.ts';
import { whatsappCloud } from './whatsapp-cloud/index.ts';

/** Every provider, by name. A new one is its folder, its import and one line here. */
export const providers: ReadonlyMap<string, Provider> = new Map([
  [github.name, github],
  [mime.name, mime],
  [slack.name, slack],
  [standardWebhooks.name, standardWebhooks],
  [stripe.name, stripe],
  [telegram.name, telegram],
  [twilio.name, twilio],
  [whatsappCloud.name, whatsappCloud],
]);
