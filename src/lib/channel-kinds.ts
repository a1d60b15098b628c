/**
 * The kinds of channel people speak of. The first four are the API contract's;
 * an identity link, an endpoint and a message all carry one.
 */
export const channelKinds = [
  'slack',
  'email',
  'sms',
  'webhook',
  'whatsapp',
  'telegram',
  'discord',
  'teams',
  'voice',
] as const;
export type ChannelKind = (typeof channelKinds)[number];
