import type { Attachment, AttachmentContext, FetchedFile, ProviderChannel } from '../../provider.ts';
import { downloadWithSecrets } from '../kit/files/with-secrets.ts';

type Channel = ProviderChannel<{ authToken: string[] }, Record<string, unknown>>;

/**
 * A message's file. Twilio asks for credentials where "Enforce HTTP Auth on Media URLs" is on, and
 * sends on to a file server, which gets none.
 * Source: https://www.twilio.com/docs/messaging/api/media-resource
 */
export async function fetchTwilioMedia(
  { url }: Attachment,
  channel: Channel,
  { fetch }: AttachmentContext,
): Promise<FetchedFile> {
  // The user is the account that the URL is in: a subaccount's files are under its own.
  const accountSid = /\/Accounts\/(AC[0-9a-f]{32})\//.exec(url ?? '')?.[1];
  const tokens = accountSid === undefined ? [] : channel.secrets.authToken;
  return await downloadWithSecrets(fetch, url, tokens, (token) => {
    const pair = Buffer.from(`${accountSid}:${token}`).toString('base64');
    return { headers: { authorization: `Basic ${pair}` }, hosts: ['twilio.com'] };
  });
}
