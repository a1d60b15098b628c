import { PermanentError } from '../../lib/errors.ts';
import type { Attachment, AttachmentContext, FetchedFile, ProviderChannel } from '../../provider.ts';
import { download, withSecrets } from '../kit/download.ts';

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
  if (url === null) throw new PermanentError('attachment_gone', 'the message gives no URL of it');
  // The user is the account that the URL is in: a subaccount's files are under its own.
  const accountSid = /\/Accounts\/(AC[0-9a-f]{32})\//.exec(url)?.[1];
  const { authToken } = channel.secrets;
  if (accountSid === undefined || authToken.length === 0) return await download(fetch, url);
  return await withSecrets(authToken, 'authToken', (token) => {
    const pair = Buffer.from(`${accountSid}:${token}`).toString('base64');
    return download(fetch, url, { headers: { authorization: `Basic ${pair}` }, hosts: ['twilio.com'] });
  });
}
