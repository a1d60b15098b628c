import type { Provider } from '../provider.ts';
import { mime } from './mime/index.ts';
import { slack } from './slack/index.ts';
import { standardWebhooks } from './standard-webhooks/index.ts';
import { twilio } from './twilio/index.ts';

/** Every provider, by name. A new one is its folder, its import and one line here. */
export const providers: ReadonlyMap<string, Provider> = new Map([
  [mime.name, mime],
  [slack.name, slack],
  [standardWebhooks.name, standardWebhooks],
  [twilio.name, twilio],
]);
